// Blocks of 32: quants 0 .. 15, an f16 scale for each 16; value = scale * codebook[quant].
#import lib/words as W
#import lib/codebook as W
#import lib/quants as W

fn scales_W(block: u32) -> vec4<f32> {
  let pair = unpack2x16float(word_W(op.planes_W.scales_at + block));
  return vec4<f32>(pair.x, 0.0, pair.y, 0.0);
}
