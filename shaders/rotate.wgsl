// Biases on q, k and v, rotation of q and k, and k and v go to the cache. One thread takes two pairs that stand side by side.
#import shared/step

struct Op {
  rows: u32,              // of q: heads * head
  other_rows: u32,        // of k and v
  bias_a: u32,            // in `vectors`, in vec4; NONE where there is none
  bias_b: u32,
  bias_c: u32,
  head: u32,              // elements of a head
  rotated: u32,           // of them, how many are rotated
  context: u32,           // positions of the cache
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read_write> q: array<f32>;              // [tokens, heads * head]
@group(1) @binding(2) var<storage, read> k: array<f32>;                    // [tokens, kv heads * head]
@group(1) @binding(3) var<storage, read> v: array<f32>;
@group(1) @binding(4) var<storage, read> vectors: array<vec4<f32>>;
@group(1) @binding(5) var<storage, read> turns: array<vec2<f32>>;          // [positions, rotated / 2]: cosine, sine
#ifdef CACHE8
@group(1) @binding(6) var<storage, read_write> fresh: array<f32>;          // [tokens, k | v, kv heads, head]
#else
@group(1) @binding(6) var<storage, read_write> cache: array<u32>;          // two f16 a word: [k | v, kv heads, positions, head / 2]
#endif
#import shared/rotary

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let token = id.y;
  let position = now.position + token;
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
    let a = turned(pair, vec2<f32>(q[at + first.x] + bias(op.bias_a, first.x), q[at + first.y] + bias(op.bias_a, first.y)), position);
    let b = turned(pair + 1u, vec2<f32>(q[at + second.x] + bias(op.bias_a, second.x), q[at + second.y] + bias(op.bias_a, second.y)), position);
    q[at + first.x] = a.x;
    q[at + first.y] = a.y;
    q[at + second.x] = b.x;
    q[at + second.y] = b.y;
    return;
  }
  let at = token * op.other_rows;
  if (is_value) {
    let a = vec2<f32>(v[at + first.x] + bias(op.bias_c, first.x), v[at + first.y] + bias(op.bias_c, first.y));
    let b = vec2<f32>(v[at + second.x] + bias(op.bias_c, second.x), v[at + second.y] + bias(op.bias_c, second.y));
    append(1u, token, first, second, a, b);
  } else {
    let a = turned(pair, vec2<f32>(k[at + first.x] + bias(op.bias_b, first.x), k[at + first.y] + bias(op.bias_b, first.y)), position);
    let b = turned(pair + 1u, vec2<f32>(k[at + second.x] + bias(op.bias_b, second.x), k[at + second.y] + bias(op.bias_b, second.y)), position);
    append(0u, token, first, second, a, b);
  }
}
