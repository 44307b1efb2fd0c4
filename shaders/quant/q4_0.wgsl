// Blocks of 32: levels 0 .. 15, an f16 scale; value = scale * (level - 8).
#import shared/words as W
#import shared/nibbles as W
#import shared/levels as W
#import shared/halves as W

fn bytes_W(block: u32) -> Bytes {
  return nibbles_W(block);
}

fn centred_W(scale: f32) -> vec4<f32> {
  return vec4<f32>(scale, -8.0 * scale, scale, -8.0 * scale);
}
