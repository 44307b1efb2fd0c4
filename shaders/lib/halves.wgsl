// Scales of a format that has an f16 for each block; the offset is a multiple of it.
fn scales_W(block: u32) -> vec4<f32> {
  return centred_W(half_W(op.planes_W.scales_at, block));
}
