// What a product of a weight and one token's activations reads and writes, and what comes before
// and after it:
//   NORM       the activations are rms_norm(x) * norm; the sum of squares comes out of the same
//              pass over x
//   QKV        the rows are those of q, k and v; biases, rotation, and k and v go to the cache
//              (lib/rope)
//   GATE_UP    the rows are those of gate and up; the result is activation(gate) * up
//   LM_HEAD    only row `params.row` of x is taken, and there is one row of results
//   ADD        the result is added to the output; without any of these it is stored
//   GELU       the activation is GELU, and not SiLU
//   BIAS       biases are added to the products (with QKV they always are, where there are any)
// Rows are taken in groups of four: two pairs that are rotated, two of each weight with GATE_UP,
// else four in a row.
#import lib/params
#import quant/$A as a
#import lib/dot as a
#import lib/activation
#ifdef B
#import quant/$B as b
#import lib/dot as b
#endif
#ifdef C
#import quant/$C as c
#import lib/dot as c
#endif

struct Op {
  planes_a: Planes,
  planes_b: Planes,
  planes_c: Planes,
  blocks: u32,            // of 32 columns of x
  rows: u32,              // of weight a
  other_rows: u32,        // of weight b, and c
  first_row: u32,         // of this part of weight a
  stride: u32,            // from one token's results to the next
  norm_at: u32,           // in `vectors`, in vec4
  eps: f32,
  bias_a: u32,            // in `vectors`, in vec4; NONE where there is none
  bias_b: u32,
  bias_c: u32,
  head_dim: u32,          // elements of a head
  rotated: u32,           // of them, how many are rotated
  room: u32,              // positions of the layer's cache
  groups: u32,            // workgroups along x of the grid
  count: u32,             // groups of four rows
}

@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> weight_a: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> x: array<vec4<f32>>;  // [tokens, columns / 4]
#ifdef QKV
@group(1) @binding(3) var<storage, read_write> out: array<f32>;  // q: [tokens, heads * head_dim]
#else
@group(1) @binding(3) var<storage, read_write> out: array<f32>;  // [tokens, rows]
#endif
#ifdef NORM
@group(1) @binding(4) var<storage, read> vectors: array<vec4<f32>>;
#else
#ifdef BIAS
@group(1) @binding(4) var<storage, read> vectors: array<vec4<f32>>;
#endif
#endif
#ifdef B
@group(1) @binding(5) var<storage, read> weight_b: array<vec4<u32>>;
#endif
#ifdef QKV
@group(1) @binding(6) var<storage, read> weight_c: array<vec4<u32>>;
// [positions, rotated / 2]: cosine, sine
@group(1) @binding(7) var<storage, read> rope_table: array<vec2<f32>>;
#ifdef KV_Q8_0
// [tokens, k | v, kv heads, head_dim]
@group(1) @binding(8) var<storage, read_write> kv_staging: array<f32>;
#else
// Two f16 a word: [k | v, kv heads, positions, head_dim / 2]
@group(1) @binding(8) var<storage, read_write> cache: array<u32>;
#endif
#endif

#ifdef QKV
#import lib/rope
#endif
#ifdef BIAS
#import lib/bias
#endif

fn token_of(id: vec3<u32>) -> u32 {
#ifdef LM_HEAD
  return params.row;
#else
  return id.z;
#endif
}

// Returns the rows of a group, counted from the beginning of its weight.
fn rows_of(group: u32) -> vec4<u32> {
#ifdef QKV
  return vec4<u32>(pair_rows(2u * group), pair_rows(2u * group + 1u));
#else
#ifdef GATE_UP
  return vec2<u32>(group * 2u, min(group * 2u + 1u, op.rows - 1u)).xyxy;
#else
  return min(vec4<u32>(group * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(op.rows - 1u));
#endif
#endif
}

// A block of x, and the sum of its squares.
struct Columns {
  input: Input,
  square: f32,
}

fn columns(token: u32, block: u32) -> Columns {
  let at = (token * op.blocks + block) * 8u;
  var v = Eight(
    x[at], x[at + 1u], x[at + 2u], x[at + 3u],
    x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u],
  );
  var square = 0.0;
#ifdef NORM
  square = dot(v.a, v.a) + dot(v.b, v.b) + dot(v.c, v.c) + dot(v.d, v.d)
    + dot(v.e, v.e) + dot(v.f, v.f) + dot(v.g, v.g) + dot(v.h, v.h);
  let n = op.norm_at + block * 8u;
  v = Eight(
    v.a * vectors[n], v.b * vectors[n + 1u], v.c * vectors[n + 2u], v.d * vectors[n + 3u],
    v.e * vectors[n + 4u], v.f * vectors[n + 5u], v.g * vectors[n + 6u], v.h * vectors[n + 7u],
  );
#endif
  return Columns(input(v), square);
}

// Keeps the results of a group of weight 0, 1 or 2: a, b or c.
fn keep(weight: u32, group: u32, token: u32, products: vec4<f32>, square: f32) {
#ifdef NORM
  let sum = products * inverseSqrt(square / f32(op.blocks * 32u) + op.eps);
#else
  let sum = products;
#endif
#ifdef QKV
  let pair = group * 2u;
  let rows = rows_of(group);
  let position = params.position + token;
  if (weight == 0u) {
    let a = rotated_pair(pair, sum.xy + bias_pair(op.bias_a, rows.xy), position);
    let b = rotated_pair(pair + 1u, sum.zw + bias_pair(op.bias_a, rows.zw), position);
    let at = token * op.rows;
    out[at + rows.x] = a.x;
    out[at + rows.y] = a.y;
    out[at + rows.z] = b.x;
    out[at + rows.w] = b.y;
  } else if (weight == 1u) {
    let a = rotated_pair(pair, sum.xy + bias_pair(op.bias_b, rows.xy), position);
    let b = rotated_pair(pair + 1u, sum.zw + bias_pair(op.bias_b, rows.zw), position);
    append(0u, token, rows.xy, rows.zw, a, b);
  } else {
    let a = sum.xy + bias_pair(op.bias_c, rows.xy);
    let b = sum.zw + bias_pair(op.bias_c, rows.zw);
    append(1u, token, rows.xy, rows.zw, a, b);
  }
#else
#ifdef GATE_UP
#ifdef BIAS
  let rows = rows_of(group);
  let gate = sum.xy + bias_pair(op.bias_a, rows.xy);
  let up = sum.zw + bias_pair(op.bias_b, rows.xy);
#else
  let gate = sum.xy;
  let up = sum.zw;
#endif
  let at = token * op.rows + group * 2u;
  out[at] = activation(gate.x) * up.x;
  if (group * 2u + 1u < op.rows) {
    out[at + 1u] = activation(gate.y) * up.y;
  }
#else
#ifdef BIAS
  // A part of a weight begins at a multiple of four rows.
  let results = sum + vectors[op.bias_a + op.first_row / 4u + group];
#else
  let results = sum;
#endif
#ifdef LM_HEAD
  let at = op.first_row + group * 4u;
#else
  let at = token * op.stride + op.first_row + group * 4u;
#endif
  for (var i = 0u; i < 4u && group * 4u + i < op.rows; i++) {
#ifdef ADD
    out[at + i] += results[i];
#else
    out[at + i] = results[i];
#endif
  }
#endif
#endif
}
