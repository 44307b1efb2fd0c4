// What q, k and v go through behind their products. Four rows are two pairs that stand side by side. A rotated pair is (j, j + rotated / 2)
// or (2 j, 2 j + 1); what is not rotated goes by the latter.
const NONE = 0xffffffffu;

fn pair_rows(pair: u32) -> vec2<u32> {
  let half = op.head / 2u;
  let first = pair / half * op.head;
  let j = pair % half;
#ifdef HALVES
  if (2u * j < op.rotated) {
    return vec2<u32>(first + j, first + j + op.rotated / 2u);
  }
#endif
  return vec2<u32>(first + 2u * j, first + 2u * j + 1u);
}

fn bias(at: u32, row: u32) -> f32 {
  if (at == NONE) {
    return 0.0;
  }
  return vectors[at + row / 4u][row % 4u];
}

fn turned(pair: u32, v: vec2<f32>, position: u32) -> vec2<f32> {
  let j = pair % (op.head / 2u);
  if (2u * j >= op.rotated) {
    return v;
  }
  let turn = turns[position * (op.rotated / 2u) + j];
  return vec2<f32>(v.x * turn.x - v.y * turn.y, v.x * turn.y + v.y * turn.x);
}

// Two pairs that stand side by side fill whole words of the cache. CACHE8: its scales need more of a head than that, so append.wgsl follows.
fn append(plane: u32, token: u32, first: vec2<u32>, second: vec2<u32>, a: vec2<f32>, b: vec2<f32>) {
#ifdef CACHE8
  let at = (2u * token + plane) * op.other_rows;
  fresh[at + first.x] = a.x;
  fresh[at + first.y] = a.y;
  fresh[at + second.x] = b.x;
  fresh[at + second.y] = b.y;
#else
  let kv_heads = op.other_rows / op.head;
  let head = plane * kv_heads + first.x / op.head;
  let at = (head * op.context + now.position + token) * (op.head / 2u);
  if (first.y == first.x + 1u) {
    cache[at + first.x % op.head / 2u] = pack2x16float(a);
    cache[at + second.x % op.head / 2u] = pack2x16float(b);
  } else {
    cache[at + first.x % op.head / 2u] = pack2x16float(vec2<f32>(a.x, b.x));
    cache[at + first.y % op.head / 2u] = pack2x16float(vec2<f32>(a.y, b.y));
  }
#endif
}
