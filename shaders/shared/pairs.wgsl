// A scale and an offset a block, two f16 in a word: value = scale * level + offset.
fn pair_W(block: u32) -> vec4<f32> {
  let pair = unpack2x16float(word_W(op.planes_W.scales_at + block));
  return vec4<f32>(pair, pair);
}
