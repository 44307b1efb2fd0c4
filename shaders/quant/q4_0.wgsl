// Blocks of 32: quants 0 .. 15, an f16 scale; value = scale * (quant - 8).
#import lib/words as W
#import lib/nibbles as W
#import lib/quants as W
#import lib/halves as W

fn bytes_W(block: u32) -> Bytes {
  return nibbles_W(block);
}

fn centred_W(scale: f32) -> vec4<f32> {
  return vec4<f32>(scale, -8.0 * scale, scale, -8.0 * scale);
}
