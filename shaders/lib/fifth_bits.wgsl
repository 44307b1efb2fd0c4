// Blocks of 32 quants of 5 bits: nibbles, and a word of high bits, of whose byte i bit m belongs to
// column 4 m + i.
#import lib/nibbles as W

fn five_bits_W(block: u32) -> Bytes {
  let low = nibbles_W(block);
  let bits = vec4<u32>(word_W(op.planes_W.high_at + block));
  let ones = vec4<u32>(0x01010101u);
  return Bytes(
    low.first | (((bits >> vec4<u32>(0u, 1u, 2u, 3u)) & ones) << vec4<u32>(4u)),
    low.second | (((bits >> vec4<u32>(4u, 5u, 6u, 7u)) & ones) << vec4<u32>(4u)),
  );
}
