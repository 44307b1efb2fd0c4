// Blocks of 32 quants of 2 bits, in two words from word `at` on: bits 2 m and 2 m + 1 of byte i of
// the first word belong to column 4 m + i, those of the second word to column 16 + 4 m + i.
#import lib/bytes

fn crumbs_W(at: u32) -> Bytes {
  let shifts = vec4<u32>(0u, 2u, 4u, 6u);
  let threes = vec4<u32>(0x03030303u);
  return Bytes(
    (vec4<u32>(word_W(at)) >> shifts) & threes,
    (vec4<u32>(word_W(at + 1u)) >> shifts) & threes,
  );
}
