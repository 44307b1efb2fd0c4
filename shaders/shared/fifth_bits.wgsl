// Levels of 5 bits: nibbles, and a word of high bits: bit m of its byte i belongs to column 4 m + i.
#import shared/nibbles as W

fn five_bits_W(block: u32) -> array<u32, 8> {
  let low = nibbles_W(block);
  let bits = word_W(op.planes_W.high_at + block);
  let ones = 0x01010101u;
  return array<u32, 8>(
    low[0] | ((bits & ones) << 4u),
    low[1] | (((bits >> 1u) & ones) << 4u),
    low[2] | (((bits >> 2u) & ones) << 4u),
    low[3] | (((bits >> 3u) & ones) << 4u),
    low[4] | (((bits >> 4u) & ones) << 4u),
    low[5] | (((bits >> 5u) & ones) << 4u),
    low[6] | (((bits >> 6u) & ones) << 4u),
    low[7] | (((bits >> 7u) & ones) << 4u),
  );
}
