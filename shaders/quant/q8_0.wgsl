// Blocks of 32: levels -127 .. 127, an f16 scale; value = scale * level.
#import shared/words as W
#import shared/bytes
#import shared/levels as W

fn bytes_W(block: u32) -> Bytes {
  return Bytes(buf_W[2u * block], buf_W[2u * block + 1u]);
}

fn scales_W(block: u32) -> vec4<f32> {
  let scale = half_W(op.planes_W.scales_at, block);
  return vec4<f32>(scale, 0.0, scale, 0.0);
}
