// Blocks of 32: quants -127 .. 127, an f16 scale; value = scale * quant.
#import lib/words as W
#import lib/bytes
#import lib/quants as W
#import lib/halves as W

fn bytes_W(block: u32) -> Bytes {
  return Bytes(vector_W(2u * block), vector_W(2u * block + 1u));
}

fn centred_W(scale: f32) -> vec4<f32> {
  return vec4<f32>(scale, 0.0, scale, 0.0);
}
