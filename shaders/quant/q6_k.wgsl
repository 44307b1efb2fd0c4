// Blocks of 32: quants 0 .. 63, a signed byte of scale for each 16, an f16 scale of scales for 256;
// value = d * scale * (quant - 32).
#import lib/words as W
#import lib/nibbles as W
#import lib/quants as W

// Bits 2 m and 2 m + 1 of byte i of the first word of high bits belong to column 4 m + i, those of
// the second word to column 16 + 4 m + i.
fn bytes_W(block: u32) -> Bytes {
  let low = nibbles_W(block);
  let first = vec4<u32>(word_W(op.planes_W.high_at + 2u * block));
  let second = vec4<u32>(word_W(op.planes_W.high_at + 2u * block + 1u));
  let shifts = vec4<u32>(0u, 2u, 4u, 6u);
  let threes = vec4<u32>(0x03030303u);
  return Bytes(
    low.first | (((first >> shifts) & threes) << vec4<u32>(4u)),
    low.second | (((second >> shifts) & threes) << vec4<u32>(4u)),
  );
}

// Scales two halves of the columns by two signed bytes.
fn scaled_W(bytes: u32, d: f32) -> vec4<f32> {
  let first = d * f32(i32(bytes << 24u) >> 24u);
  let second = d * f32(i32(bytes << 16u) >> 24u);
  return vec4<f32>(first, -32.0 * first, second, -32.0 * second);
}

fn scales_W(block: u32) -> vec4<f32> {
  let bytes = word_W(op.planes_W.scales_at + (block >> 1u)) >> ((block & 1u) * 16u);
  return scaled_W(bytes, half_W(op.planes_W.super_scales_at, block >> 3u));
}
