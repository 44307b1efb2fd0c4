// Scales of a format that has superblocks of 256 columns: a signed byte for each 16 columns, and an
// f16, the scale of these scales; the offset is a multiple of the scale.
fn scaled_W(bytes: u32, d: f32) -> vec4<f32> {
  let first = d * f32(i32(bytes << 24u) >> 24u);
  let second = d * f32(i32(bytes << 16u) >> 24u);
  return vec4<f32>(first, -OFFSET_W * first, second, -OFFSET_W * second);
}

fn scales_W(block: u32) -> vec4<f32> {
  let bytes = word_W(op.planes_W.scales_at + (block >> 1u)) >> ((block & 1u) * 16u);
  return scaled_W(bytes, half_W(op.planes_W.super_scales_at, block >> 3u));
}
