// Blocks of 32: levels 0 .. 31, an f16 scale; value = scale * (level - 16).
#import shared/words as W
#import shared/fifth_bits as W
#import shared/levels as W
#import shared/halves as W

fn bytes_W(block: u32) -> Bytes {
  return five_bits_W(block);
}

fn centred_W(scale: f32) -> vec4<f32> {
  return vec4<f32>(scale, -16.0 * scale, scale, -16.0 * scale);
}
