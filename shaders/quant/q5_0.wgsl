// Blocks of 32: quants 0 .. 31, an f16 scale; value = scale * (quant - 16).
#import lib/words as W
#import lib/fifth_bits as W
#import lib/quants as W
#import lib/halves as W

fn bytes_W(block: u32) -> Bytes {
  return five_bits_W(block);
}

fn centred_W(scale: f32) -> vec4<f32> {
  return vec4<f32>(scale, -16.0 * scale, scale, -16.0 * scale);
}
