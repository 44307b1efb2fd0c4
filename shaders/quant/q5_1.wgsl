// Blocks of 32: levels 0 .. 31, an f16 scale and offset; value = scale * level + offset.
#import shared/words as W
#import shared/fifth_bits as W
#import shared/levels as W
#import shared/pairs as W

fn bytes_W(block: u32) -> Bytes {
  return five_bits_W(block);
}

fn scales_W(block: u32) -> vec4<f32> {
  return pair_W(block);
}
