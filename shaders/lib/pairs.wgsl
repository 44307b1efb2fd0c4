// Scales of a format that has a scale and an offset for each block, two f16 in a word:
// value = scale * quant + offset.
fn pair_W(block: u32) -> vec4<f32> {
  let pair = unpack2x16float(word_W(op.planes_W.scales_at + block));
  return vec4<f32>(pair, pair);
}
