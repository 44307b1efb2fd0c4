// Returns two f16 in a word. What lies beyond them becomes the largest one: WGSL does not say what
// else it would be.
fn f16_pair(v: vec2<f32>) -> u32 {
  return pack2x16float(clamp(v, vec2<f32>(-65504.0), vec2<f32>(65504.0)));
}
