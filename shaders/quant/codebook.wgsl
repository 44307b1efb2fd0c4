// Blocks of 32: quants 0 .. 15, an f16 scale for each 16, a factor for the weight;
// value = factor * scale * codebook[quant].
#import lib/words as W
#import lib/codebook as W
#import lib/quants as W

fn scales_W(block: u32) -> vec4<f32> {
  let factor = bitcast<f32>(op.planes_W.super_scales_at);
  let pair = factor * unpack2x16float(word_W(op.planes_W.scales_at + block));
  return vec4<f32>(pair.x, 0.0, pair.y, 0.0);
}
