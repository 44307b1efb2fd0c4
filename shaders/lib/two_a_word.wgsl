// Blocks of 32 numbers that have 16 bits each; `four_W` says which.
#import lib/words as W
#import lib/eight

fn quants_W(block: u32) -> Eight {
  let a = vector_W(4u * block);
  let b = vector_W(4u * block + 1u);
  let c = vector_W(4u * block + 2u);
  let d = vector_W(4u * block + 3u);
  return Eight(
    four_W(a.xy), four_W(a.zw), four_W(b.xy), four_W(b.zw),
    four_W(c.xy), four_W(c.zw), four_W(d.xy), four_W(d.zw),
  );
}

fn scales_W(block: u32) -> vec4<f32> {
  return vec4<f32>(1.0, 0.0, 1.0, 0.0);
}
