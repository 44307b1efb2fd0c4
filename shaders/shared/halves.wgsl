// An f16 scale a block, and an offset that is so many scales.
fn scales_W(block: u32) -> vec4<f32> {
  return centred_W(half_W(op.planes_W.scales_at, block));
}
