// Keys and values, [k | v, kv heads, positions, head_dim]. A row is one head at one position.
//   KV_Q8_0    a block of 32 elements is eight words of bytes, and the f32 that 127 stands for;
//              without it a word is two f16
#ifdef KV_Q8_0
@group(1) @binding(2) var<storage, read> cache: array<u32>;        // [rows, head_dim / 32, 9]
#else
@group(1) @binding(2) var<storage, read> cache: array<vec4<u32>>;  // [rows, head_dim / 8]
#endif

struct Octet {
  low: vec4<f32>,
  high: vec4<f32>,
}

// Returns elements 8 i .. 8 i + 8 of a row.
fn octet(row: u32, i: u32) -> Octet {
#ifdef KV_Q8_0
  let block = (row * (HEAD_DIM / 32u) + i / 4u) * 9u;
  let at = block + i % 4u * 2u;
  let largest = bitcast<f32>(cache[block + 8u]);
  return Octet(largest * unpack4x8snorm(cache[at]), largest * unpack4x8snorm(cache[at + 1u]));
#else
  let words = cache[row * (HEAD_DIM / 8u) + i];
  return Octet(
    vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y)),
    vec4<f32>(unpack2x16float(words.z), unpack2x16float(words.w)),
  );
#endif
}

// Returns elements 2 i and 2 i + 1 of a row.
fn pair_of(row: u32, i: u32) -> vec2<f32> {
#ifdef KV_Q8_0
  let block = (row * (HEAD_DIM / 32u) + i / 16u) * 9u;
  let bytes = unpack4x8snorm(cache[block + i % 16u / 2u]);
  return bitcast<f32>(cache[block + 8u]) * select(bytes.xy, bytes.zw, i % 2u == 1u);
#else
  return unpack2x16float(cache[row * (HEAD_DIM / 8u) + i / 4u][i % 4u]);
#endif
}
