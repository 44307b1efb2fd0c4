// Blocks of 32 quants of 4 bits, each the number of one of 16 signed bytes, which lie in the first
// four words of the plane of high bits.
#import lib/nibbles as W

fn bytes_W(block: u32) -> Bytes {
  let values = vector_W(op.planes_W.high_at >> 2u);
  let q = nibbles_W(block);
  return Bytes(values_W(values, q.first), values_W(values, q.second));
}

fn values_W(values: vec4<u32>, numbers: vec4<u32>) -> vec4<u32> {
  return value_W(values, numbers)
    | (value_W(values, numbers >> vec4<u32>(8u)) << vec4<u32>(8u))
    | (value_W(values, numbers >> vec4<u32>(16u)) << vec4<u32>(16u))
    | (value_W(values, numbers >> vec4<u32>(24u)) << vec4<u32>(24u));
}

// Returns the values that the low bytes of four words number.
fn value_W(values: vec4<u32>, numbers: vec4<u32>) -> vec4<u32> {
  let is_odd = (numbers & vec4<u32>(4u)) != vec4<u32>(0u);
  let words = select(
    select(vec4<u32>(values.x), vec4<u32>(values.y), is_odd),
    select(vec4<u32>(values.z), vec4<u32>(values.w), is_odd),
    (numbers & vec4<u32>(8u)) != vec4<u32>(0u),
  );
  return (words >> ((numbers & vec4<u32>(3u)) << vec4<u32>(3u))) & vec4<u32>(0xffu);
}
