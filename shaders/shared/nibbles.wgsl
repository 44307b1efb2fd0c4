// Blocks of 32 levels of 4 bits: byte i of word j holds column 4 j + i in its low half and column 16 + 4 j + i in its high half.
fn nibbles_W(block: u32) -> array<u32, 8> {
  let words = buf_W[block];
  let low = words & vec4<u32>(0x0f0f0f0fu);
  let high = (words >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
  return array<u32, 8>(low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w);
}
