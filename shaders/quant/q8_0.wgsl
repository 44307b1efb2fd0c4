// Blocks of 32: levels -127 .. 127, an f16 scale; value = scale * level.
#import shared/words as W
#import shared/levels as W

fn bytes_W(block: u32) -> array<u32, 8> {
  let first = buf_W[2u * block];
  let second = buf_W[2u * block + 1u];
  return array<u32, 8>(first.x, first.y, first.z, first.w, second.x, second.y, second.z, second.w);
}

fn scales_W(block: u32) -> vec4<f32> {
  let scale = half_W(op.planes_W.scales_at, block);
  return vec4<f32>(scale, 0.0, scale, 0.0);
}
