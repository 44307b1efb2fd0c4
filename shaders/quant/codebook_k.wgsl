// Blocks of 32: quants 0 .. 15, a signed byte of scale for each 16, an f32 scale of scales for 256;
// value = d * scale * codebook[quant].
#import lib/words as W
#import lib/codebook as W
#import lib/quants as W

fn scales_W(block: u32) -> vec4<f32> {
  let bytes = word_W(op.planes_W.scales_at + (block >> 1u)) >> ((block & 1u) * 16u);
  let d = bitcast<f32>(word_W(op.planes_W.super_scales_at + (block >> 3u)));
  let first = d * f32(i32(bytes << 24u) >> 24u);
  let second = d * f32(i32(bytes << 16u) >> 24u);
  return vec4<f32>(first, 0.0, second, 0.0);
}
