// Blocks of 32: levels 0 .. 15, an f16 scale; value = scale * (level - 8).
#import shared/words as W
#import shared/nibbles as W
#import shared/levels as W

fn bytes_W(block: u32) -> Bytes {
  return nibbles_W(block);
}

fn scales_W(block: u32) -> vec4<f32> {
  let scale = half_W(op.planes_W.scales_at, block);
  return vec4<f32>(scale, -8.0 * scale, scale, -8.0 * scale);
}
