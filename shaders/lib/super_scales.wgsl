// Scales of a format that has superblocks of 256 columns: two f16 in a word are the scales of the
// scales and of the minimums of its 8 blocks, which are a byte each.
fn scaled_W(bytes: u32, word: u32) -> vec4<f32> {
  let pair = unpack2x16float(word);
  let scale = pair.x * f32(bytes & 0xffu);
  let offset = -pair.y * f32(bytes >> 8u);
  return vec4<f32>(scale, offset, scale, offset);
}

fn super_pair_W(block: u32) -> vec4<f32> {
  let word = word_W(op.planes_W.scales_at + (block >> 1u));
  let bytes = (word >> ((block & 1u) * 16u)) & 0xffffu;
  return scaled_W(bytes, word_W(op.planes_W.super_scales_at + (block >> 3u)));
}
