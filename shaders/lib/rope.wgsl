// What q, k and v go through behind their products. Four rows are two pairs that stand side by
// side.
//   HALVES     a rotated pair is (j, j + rotated / 2); without it, it is (2 j, 2 j + 1), and so is
//              every pair that is not rotated
//   KV_Q8_0    keys and values are staged, for a cache of bytes needs whole blocks
//              (ops/kv_quantize)
#import lib/bias
#import lib/f16_pair

fn pair_rows(pair: u32) -> vec2<u32> {
  let half = op.head_dim / 2u;
  let first = pair / half * op.head_dim;
  let j = pair % half;
#ifdef HALVES
  if (2u * j < op.rotated) {
    return vec2<u32>(first + j, first + j + op.rotated / 2u);
  }
#endif
  return vec2<u32>(first + 2u * j, first + 2u * j + 1u);
}

fn rotated_pair(pair: u32, v: vec2<f32>, position: u32) -> vec2<f32> {
  let j = pair % (op.head_dim / 2u);
  if (2u * j >= op.rotated) {
    return v;
  }
  let turn = rope_table[position * (op.rotated / 2u) + j];
  return vec2<f32>(v.x * turn.x - v.y * turn.y, v.x * turn.y + v.y * turn.x);
}

// Puts two pairs of a key (plane 0) or a value (plane 1) into the cache. Side by side, they
// fill whole words of it.
fn append(
  plane: u32,
  token: u32,
  first: vec2<u32>,
  second: vec2<u32>,
  a: vec2<f32>,
  b: vec2<f32>,
) {
#ifdef KV_Q8_0
  let at = (2u * token + plane) * op.other_rows;
  kv_staging[at + first.x] = a.x;
  kv_staging[at + first.y] = a.y;
  kv_staging[at + second.x] = b.x;
  kv_staging[at + second.y] = b.y;
#else
  let kv_heads = op.other_rows / op.head_dim;
  let head = plane * kv_heads + first.x / op.head_dim;
  let at = (head * op.room + (params.position + token) % op.room) * (op.head_dim / 2u);
  if (first.y == first.x + 1u) {
    cache[at + first.x % op.head_dim / 2u] = f16_pair(a);
    cache[at + second.x % op.head_dim / 2u] = f16_pair(b);
  } else {
    cache[at + first.x % op.head_dim / 2u] = f16_pair(vec2<f32>(a.x, b.x));
    cache[at + first.y % op.head_dim / 2u] = f16_pair(vec2<f32>(a.y, b.y));
  }
#endif
}
