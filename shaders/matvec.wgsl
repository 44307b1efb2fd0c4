// A weight times one token's activations, four rows a workgroup, with what comes before and after it:
//   NORM       the activations are rms_norm(x) * norm; the sum of squares comes out of the same pass over x
//   QKV        rows of the three weights q, k, v; biases, rotation, and k and v go to the cache (shared/rotary)
//   GATE_UP    rows of the two weights gate and up; silu(gate) * up
//   HEAD       only row `now.row` of x, and only one row of results
//   ADD        the result is added to the output; without any of these it is stored
// Each lane takes every LANES-th block of 32 columns, for all four rows: x is read once for them. With ALONE each lane has four rows of its
// own: where a processor plays the graphics card, a barrier costs more than the rows. DOTS: shared/input.
#ifndef ALONE
#ifdef SUBGROUPS
#enable subgroups
#endif
#endif
#import shared/step
#import quant/$A as a
#import shared/dot as a
#ifdef B
#import quant/$B as b
#import shared/dot as b
#endif
#ifdef C
#import quant/$C as c
#import shared/dot as c
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
  head: u32,              // elements of a head
  rotated: u32,           // of them, how many are rotated
  context: u32,           // positions of the cache
  groups: u32,            // workgroups along x of the grid
  count: u32,             // groups of four rows
}

@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> buf_a: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> x: array<vec4<f32>>;              // [tokens, columns / 4]
#ifdef QKV
@group(1) @binding(3) var<storage, read_write> out: array<f32>;            // q: [tokens, heads * head]
#else
@group(1) @binding(3) var<storage, read_write> out: array<f32>;            // [tokens, rows]
#endif
#ifdef NORM
@group(1) @binding(4) var<storage, read> vectors: array<vec4<f32>>;
#endif
#ifdef B
@group(1) @binding(5) var<storage, read> buf_b: array<vec4<u32>>;
#endif
#ifdef QKV
@group(1) @binding(6) var<storage, read> buf_c: array<vec4<u32>>;
@group(1) @binding(7) var<storage, read> turns: array<vec2<f32>>;          // [positions, rotated / 2]: cosine, sine
#ifdef CACHE8
@group(1) @binding(8) var<storage, read_write> fresh: array<f32>;          // [tokens, k | v, kv heads, head]
#else
@group(1) @binding(8) var<storage, read_write> cache: array<u32>;          // two f16 a word: [k | v, kv heads, positions, head / 2]
#endif
#endif

#ifndef ALONE
var<workgroup> sums: array<vec4<f32>, $LANES>;
#ifdef NORM
var<workgroup> squares: array<f32, $LANES>;
#endif
#endif

#ifdef QKV
#import shared/rotary
#endif

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
#ifndef ALONE
#ifdef SUBGROUPS
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
  @builtin(subgroup_size) subgroup_size: u32,
#endif
#endif
) {
#ifdef ALONE
  let group = (id.y * op.groups + id.x) * $LANES + lane;
#else
  let group = id.y * op.groups + id.x;
#endif
  if (group >= op.count) {
    return;
  }
#ifdef HEAD
  let token = now.row;
#else
  let token = id.z;
#endif
#ifdef QKV
  var pair = group * 2u;
  var weight = 0u;
  if (pair >= op.rows / 2u) {
    pair -= op.rows / 2u;
    weight = 1u;
    if (pair >= op.other_rows / 2u) {
      pair -= op.other_rows / 2u;
      weight = 2u;
    }
  }
  let first = pair_rows(pair);
  let second = pair_rows(pair + 1u);
  let rows = vec4<u32>(first, second);
#else
#ifdef GATE_UP
  let rows = vec2<u32>(group * 2u, min(group * 2u + 1u, op.rows - 1u)).xyxy;
#else
  let rows = min(vec4<u32>(group * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(op.rows - 1u));
#endif
#endif

  var sum = vec4<f32>(0.0);
  var square = 0.0;
#ifdef ALONE
  for (var block = 0u; block < op.blocks; block++) {
#else
  for (var block = lane; block < op.blocks; block += $LANES) {
#endif
    let at = (token * op.blocks + block) * 8u;
    var v = Eight(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
#ifdef NORM
    square += dot(v.a, v.a) + dot(v.b, v.b) + dot(v.c, v.c) + dot(v.d, v.d) + dot(v.e, v.e) + dot(v.f, v.f) + dot(v.g, v.g) + dot(v.h, v.h);
    let n = op.norm_at + block * 8u;
    v = Eight(
      v.a * vectors[n], v.b * vectors[n + 1u], v.c * vectors[n + 2u], v.d * vectors[n + 3u],
      v.e * vectors[n + 4u], v.f * vectors[n + 5u], v.g * vectors[n + 6u], v.h * vectors[n + 7u],
    );
#endif
    let columns = input(v);
#ifdef QKV
    if (weight == 0u) {
      sum += four_dots_a(rows, block, columns);
    } else if (weight == 1u) {
      sum += four_dots_b(rows, block, columns);
    } else {
      sum += four_dots_c(rows, block, columns);
    }
#else
#ifdef GATE_UP
    sum += vec4<f32>(two_dots_a(rows.xy, block, columns), two_dots_b(rows.xy, block, columns));
#else
    sum += four_dots_a(rows, block, columns);
#endif
#endif
  }

#ifndef ALONE
#ifdef SUBGROUPS
  let all = subgroupAdd(sum);
#ifdef NORM
  let all_squares = subgroupAdd(square);
#endif
  let subgroup = lane / subgroup_size;
  if (subgroup_lane == 0u) {
    sums[subgroup] = all;
#ifdef NORM
    squares[subgroup] = all_squares;
#endif
  }
  workgroupBarrier();
  if (lane != 0u) {
    return;
  }
  sum = sums[0];
#ifdef NORM
  square = squares[0];
#endif
  for (var i = 1u; i * subgroup_size < $LANES; i++) {
    sum += sums[i];
#ifdef NORM
    square += squares[i];
#endif
  }
#else
  sums[lane] = sum;
#ifdef NORM
  squares[lane] = square;
#endif
  for (var stride = $LANES / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      sums[lane] += sums[lane + stride];
#ifdef NORM
      squares[lane] += squares[lane + stride];
#endif
    }
  }
  if (lane != 0u) {
    return;
  }
  sum = sums[0];
#ifdef NORM
  square = squares[0];
#endif
#endif
#endif
#ifdef NORM
  sum *= inverseSqrt(square / f32(op.blocks * 32u) + op.eps);
#endif

#ifdef QKV
  let position = now.position + token;
  if (weight == 0u) {
    let a = turned(pair, sum.xy + vec2<f32>(bias(op.bias_a, rows.x), bias(op.bias_a, rows.y)), position);
    let b = turned(pair + 1u, sum.zw + vec2<f32>(bias(op.bias_a, rows.z), bias(op.bias_a, rows.w)), position);
    let at = token * op.rows;
    out[at + rows.x] = a.x;
    out[at + rows.y] = a.y;
    out[at + rows.z] = b.x;
    out[at + rows.w] = b.y;
  } else if (weight == 1u) {
    let a = turned(pair, sum.xy + vec2<f32>(bias(op.bias_b, rows.x), bias(op.bias_b, rows.y)), position);
    let b = turned(pair + 1u, sum.zw + vec2<f32>(bias(op.bias_b, rows.z), bias(op.bias_b, rows.w)), position);
    append(0u, token, first, second, a, b);
  } else {
    let a = sum.xy + vec2<f32>(bias(op.bias_c, rows.x), bias(op.bias_c, rows.y));
    let b = sum.zw + vec2<f32>(bias(op.bias_c, rows.z), bias(op.bias_c, rows.w));
    append(1u, token, first, second, a, b);
  }
#else
#ifdef GATE_UP
  let silu = sum.xy / (1.0 + exp(-sum.xy));
  let at = token * op.rows + group * 2u;
  out[at] = silu.x * sum.z;
  if (group * 2u + 1u < op.rows) {
    out[at + 1u] = silu.y * sum.w;
  }
#else
#ifdef HEAD
  let at = op.first_row + group * 4u;
#else
  let at = token * op.stride + op.first_row + group * 4u;
#endif
  for (var i = 0u; i < 4u && group * 4u + i < op.rows; i++) {
#ifdef ADD
    out[at + i] += sum[i];
#else
    out[at + i] = sum[i];
#endif
  }
#endif
#endif
}
