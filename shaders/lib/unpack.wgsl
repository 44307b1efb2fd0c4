// Returns four signed bytes as numbers.
fn unpack_bytes(word: u32) -> vec4<f32> {
#ifdef PACKED
  return vec4<f32>(unpack4xI8(word));
#else
  let bytes = vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
  return vec4<f32>(bytes);
#endif
}
