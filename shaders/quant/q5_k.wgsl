// Blocks of 32: quants 0 .. 31, and 6 bits each of scale and minimum;
// value = d * scale * quant - dmin * minimum.
#import lib/words as W
#import lib/fifth_bits as W
#import lib/quants as W
#import lib/super_scales as W

fn bytes_W(block: u32) -> Bytes {
  return five_bits_W(block);
}

fn scales_W(block: u32) -> vec4<f32> {
  return super_pair_W(block);
}
