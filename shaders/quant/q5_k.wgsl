// Blocks of 32: levels 0 .. 31, and 6 bits each of scale and minimum; value = d * scale * level - dmin * minimum.
#import shared/words as W
#import shared/fifth_bits as W
#import shared/levels as W
#import shared/supers as W

fn bytes_W(block: u32) -> Bytes {
  return five_bits_W(block);
}

fn scales_W(block: u32) -> vec4<f32> {
  return super_pair_W(block);
}
