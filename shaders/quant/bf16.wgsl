// Blocks of 32 numbers: two bfloat16 a word, which are the high halves of f32.
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

fn four_W(words: vec2<u32>) -> vec4<f32> {
  let low = bitcast<vec2<f32>>(words << vec2<u32>(16u));
  let high = bitcast<vec2<f32>>(words & vec2<u32>(0xffff0000u));
  return vec4<f32>(low.x, high.x, low.y, high.y);
}

fn scales_W(block: u32) -> vec4<f32> {
  return vec4<f32>(1.0, 0.0, 1.0, 0.0);
}
