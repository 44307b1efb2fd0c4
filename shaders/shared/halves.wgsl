// An f16 scale a block, and an offset that is so many scales.
fn scales_W(block: u32) -> vec4<f32> {
  return centred_W(half_W(op.planes_W.scales_at, block));
}
#ifdef TEXTURES

fn four_scales_W(block: u32) -> FourScales {
  let scales = four_halves_W(op.planes_W.scales_at, block);
  return FourScales(centred_W(scales.x), centred_W(scales.y), centred_W(scales.z), centred_W(scales.w));
}
#endif
