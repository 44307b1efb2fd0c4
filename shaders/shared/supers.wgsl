// Scales of scales, a superblock of 256 columns: two f16 in a word, for the scales and the minimums of its 8 blocks; a byte each.
fn scaled_W(bytes: u32, word: u32) -> vec4<f32> {
  let pair = unpack2x16float(word);
  let scale = pair.x * f32(bytes & 0xffu);
  let offset = -pair.y * f32(bytes >> 8u);
  return vec4<f32>(scale, offset, scale, offset);
}

fn super_pair_W(block: u32) -> vec4<f32> {
  let bytes = (word_W(op.planes_W.scales_at + (block >> 1u)) >> ((block & 1u) * 16u)) & 0xffffu;
  return scaled_W(bytes, word_W(op.planes_W.supers_at + (block >> 3u)));
}
