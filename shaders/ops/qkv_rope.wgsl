// Adds biases to q, k and v, rotates q and k, and puts k and v into the cache. A thread takes two
// pairs that stand side by side.
#import lib/params

struct Op {
  rows: u32,              // of q: heads * head_dim
  other_rows: u32,        // of k and v
  bias_a: u32,            // in `vectors`, in vec4; NONE where there is none
  bias_b: u32,
  bias_c: u32,
  head_dim: u32,
  rotated: u32,           // elements of a head that are rotated
  room: u32,              // positions of the layer's cache
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read_write> q: array<f32>;       // [tokens, heads * head_dim]
@group(1) @binding(2) var<storage, read> k: array<f32>;             // [tokens, kv heads * head_dim]
@group(1) @binding(3) var<storage, read> v: array<f32>;
@group(1) @binding(4) var<storage, read> vectors: array<vec4<f32>>;
// [positions, rotated / 2]: cosine, sine
@group(1) @binding(5) var<storage, read> rope_table: array<vec2<f32>>;
#ifdef KV_Q8_0
// [tokens, k | v, kv heads, head_dim]
@group(1) @binding(6) var<storage, read_write> kv_staging: array<f32>;
#else
// Two f16 a word: [k | v, kv heads, positions, head_dim / 2]
@group(1) @binding(6) var<storage, read_write> cache: array<u32>;
#endif
#import lib/rope

// Returns q, k or v at two rows, with their biases.
fn biased_q(at: u32, rows: vec2<u32>) -> vec2<f32> {
  return vec2<f32>(q[at + rows.x], q[at + rows.y]) + bias_pair(op.bias_a, rows);
}

fn biased_k(at: u32, rows: vec2<u32>) -> vec2<f32> {
  return vec2<f32>(k[at + rows.x], k[at + rows.y]) + bias_pair(op.bias_b, rows);
}

fn biased_v(at: u32, rows: vec2<u32>) -> vec2<f32> {
  return vec2<f32>(v[at + rows.x], v[at + rows.y]) + bias_pair(op.bias_c, rows);
}

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let token = id.y;
  let position = params.position + token;
  let queries = op.rows / 2u;
  let keys = op.other_rows / 2u;
  var pair = id.x * 2u;
  if (pair >= queries + 2u * keys) {
    return;
  }
  let is_query = pair < queries;
  let is_value = pair >= queries + keys;
  pair -= select(queries + select(0u, keys, is_value), 0u, is_query);
  let first = pair_rows(pair);
  let second = pair_rows(pair + 1u);
  if (is_query) {
    let at = token * op.rows;
    let a = rotated_pair(pair, biased_q(at, first), position);
    let b = rotated_pair(pair + 1u, biased_q(at, second), position);
    q[at + first.x] = a.x;
    q[at + first.y] = a.y;
    q[at + second.x] = b.x;
    q[at + second.y] = b.y;
    return;
  }
  let at = token * op.other_rows;
  if (is_value) {
    append(1u, token, first, second, biased_v(at, first), biased_v(at, second));
  } else {
    let a = rotated_pair(pair, biased_k(at, first), position);
    let b = rotated_pair(pair + 1u, biased_k(at, second), position);
    append(0u, token, first, second, a, b);
  }
}
