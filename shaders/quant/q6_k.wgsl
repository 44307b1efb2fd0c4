// Blocks of 32: levels 0 .. 63, a signed byte of scale for each 16, an f16 scale of scales for 256; value = d * scale * (level - 32).
#import shared/words as W
#import shared/nibbles as W
#import shared/levels as W

// Bits 2 m and 2 m + 1 of byte i of the first word belong to column 4 m + i, of the second to column 16 + 4 m + i.
fn bytes_W(block: u32) -> array<u32, 8> {
  let low = nibbles_W(block);
  let first = word_W(op.planes_W.high_at + 2u * block);
  let second = word_W(op.planes_W.high_at + 2u * block + 1u);
  let threes = 0x03030303u;
  return array<u32, 8>(
    low[0] | ((first & threes) << 4u),
    low[1] | (((first >> 2u) & threes) << 4u),
    low[2] | (((first >> 4u) & threes) << 4u),
    low[3] | (((first >> 6u) & threes) << 4u),
    low[4] | ((second & threes) << 4u),
    low[5] | (((second >> 2u) & threes) << 4u),
    low[6] | (((second >> 4u) & threes) << 4u),
    low[7] | (((second >> 6u) & threes) << 4u),
  );
}

fn scales_W(block: u32) -> vec4<f32> {
  let bytes = i32(word_W(op.planes_W.scales_at + (block >> 1u)) >> ((block & 1u) * 16u));
  let d = half_W(op.planes_W.supers_at, block >> 3u);
  let first = d * f32((bytes << 24u) >> 24u);
  let second = d * f32((bytes << 16u) >> 24u);
  return vec4<f32>(first, -32.0 * first, second, -32.0 * second);
}
