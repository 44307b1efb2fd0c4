// Blocks of 32: quants 0 .. 3, and for each 16 a byte of which the low half is the scale and the
// high half the minimum; value = d * scale * quant - dmin * minimum.
#import lib/words as W
#import lib/crumbs as W
#import lib/quants as W

fn bytes_W(block: u32) -> Bytes {
  return crumbs_W(2u * block);
}

fn scales_W(block: u32) -> vec4<f32> {
  let bytes = word_W(op.planes_W.scales_at + (block >> 1u)) >> ((block & 1u) * 16u);
  let pair = unpack2x16float(word_W(op.planes_W.super_scales_at + (block >> 3u)));
  return vec4<f32>(
    pair.x * f32(bytes & 15u), -pair.y * f32((bytes >> 4u) & 15u),
    pair.x * f32((bytes >> 8u) & 15u), -pair.y * f32((bytes >> 12u) & 15u),
  );
}
