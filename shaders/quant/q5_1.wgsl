// Blocks of 32: quants 0 .. 31, an f16 scale and offset; value = scale * quant + offset.
#import lib/words as W
#import lib/fifth_bits as W
#import lib/quants as W
#import lib/pairs as W

fn bytes_W(block: u32) -> Bytes {
  return five_bits_W(block);
}

fn scales_W(block: u32) -> vec4<f32> {
  return pair_W(block);
}
