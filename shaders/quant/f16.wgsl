// Blocks of 32 numbers: two f16 a word.
#import shared/words as W
#import shared/eight

fn levels_W(block: u32) -> Eight {
  let a = vector_W(4u * block);
  let b = vector_W(4u * block + 1u);
  let c = vector_W(4u * block + 2u);
  let d = vector_W(4u * block + 3u);
  return Eight(
    vec4<f32>(unpack2x16float(a.x), unpack2x16float(a.y)), vec4<f32>(unpack2x16float(a.z), unpack2x16float(a.w)),
    vec4<f32>(unpack2x16float(b.x), unpack2x16float(b.y)), vec4<f32>(unpack2x16float(b.z), unpack2x16float(b.w)),
    vec4<f32>(unpack2x16float(c.x), unpack2x16float(c.y)), vec4<f32>(unpack2x16float(c.z), unpack2x16float(c.w)),
    vec4<f32>(unpack2x16float(d.x), unpack2x16float(d.y)), vec4<f32>(unpack2x16float(d.z), unpack2x16float(d.w)),
  );
}

fn scales_W(block: u32) -> vec4<f32> {
  return vec4<f32>(1.0, 0.0, 1.0, 0.0);
}
