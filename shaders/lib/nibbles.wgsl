// Blocks of 32 quants of 4 bits: byte i of word j holds column 4 j + i in its low half and column
// 16 + 4 j + i in its high half.
#import lib/bytes

fn nibbles_W(block: u32) -> Bytes {
  let words = vector_W(block);
  let low = vec4<u32>(0x0f0f0f0fu);
  return Bytes(words & low, (words >> vec4<u32>(4u)) & low);
}
