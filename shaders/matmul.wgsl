// A weight times the activations of many tokens, in square tiles of SIDE rows by SIDE tokens. Block by block of 32 columns, lanes put the
// tile's weights, dequantized, and its activations into workgroup memory; then each of the 64 lanes takes its 4 by 4 of it, or with
//   WIDE       8 by 8: fewer loads for a product, and fewer workgroups
// What is done with the result:
//   ADD        it is added to the output
//   GATED      the output holds the gate's results; it becomes silu(output) * result
// Without either it is stored.
#import shared/step
#import quant/$A as a

struct Op {
  planes_a: Planes,
  rows: u32,              // of this part of the weight
  first_row: u32,
  stride: u32,            // from one token's results to the next
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> buf_a: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> x: array<vec4<f32>>;              // [tokens, columns / 4]
@group(1) @binding(3) var<storage, read_write> out: array<f32>;            // [tokens, stride]

fn keep(token: u32, row: u32, sum: f32) {
  if (token < now.tokens && row < op.rows) {
    let at = token * op.stride + op.first_row + row;
#ifdef ADD
    out[at] += sum;
#else
#ifdef GATED
    let gate = out[at];
    out[at] = gate / (1.0 + exp(-gate)) * sum;
#else
    out[at] = sum;
#endif
#endif
  }
}

#ifdef WIDE
const SIDE = 64u;
#else
const SIDE = 32u;
#endif

var<workgroup> weights: array<vec4<f32>, 8u * SIDE>; // [columns / 4, rows]
var<workgroup> inputs: array<vec4<f32>, 8u * SIDE>;  // [columns / 4, tokens]

fn fetch_weights(block: u32, row: u32) {
  let l = levels_a(block);
  let s = scales_a(block);
  weights[row] = s.x * l.a + s.y;
  weights[SIDE + row] = s.x * l.b + s.y;
  weights[2u * SIDE + row] = s.x * l.c + s.y;
  weights[3u * SIDE + row] = s.x * l.d + s.y;
  weights[4u * SIDE + row] = s.z * l.e + s.w;
  weights[5u * SIDE + row] = s.z * l.f + s.w;
  weights[6u * SIDE + row] = s.z * l.g + s.w;
  weights[7u * SIDE + row] = s.z * l.h + s.w;
}

fn fetch_inputs(block: u32, token: u32) {
  for (var i = 0u; i < 8u; i++) {
    inputs[i * SIDE + token] = x[block * 8u + i];
  }
}

// Four columns of four rows times those of a token.
fn dots(w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>, x: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(dot(w0, x), dot(w1, x), dot(w2, x), dot(w3, x));
}

// Rows row, row + 8, row + 16 and row + 24.
fn keep_four(token: u32, row: u32, sums: vec4<f32>) {
  keep(token, row, sums.x);
  keep(token, row + 8u, sums.y);
  keep(token, row + 16u, sums.z);
  keep(token, row + 24u, sums.w);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first_row = group.x * SIDE;
  let first_token = group.y * SIDE;
  let count = now.tokens - first_token;
  let blocks = op.planes_a.blocks;
  let mine = lane % SIDE;
  let row_blocks = min(first_row + mine, op.rows - 1u) * blocks;
  let token_blocks = min(first_token + mine, now.tokens - 1u) * blocks;
  // A lane has every eighth row and token, from these on.
  let row = lane % 8u;
  let token = lane / 8u;
  var a = vec4<f32>();
  var b = vec4<f32>();
  var c = vec4<f32>();
  var d = vec4<f32>();
#ifdef WIDE
  var e = vec4<f32>();
  var f = vec4<f32>();
  var g = vec4<f32>();
  var h = vec4<f32>();
  var a2 = vec4<f32>();
  var b2 = vec4<f32>();
  var c2 = vec4<f32>();
  var d2 = vec4<f32>();
  var e2 = vec4<f32>();
  var f2 = vec4<f32>();
  var g2 = vec4<f32>();
  var h2 = vec4<f32>();
#endif
  for (var block = 0u; block < blocks; block++) {
    workgroupBarrier();
#ifdef WIDE
    fetch_weights(row_blocks + block, mine);
    fetch_inputs(token_blocks + block, mine);
#else
    if (lane < SIDE) {
      fetch_weights(row_blocks + block, mine);
    } else {
      fetch_inputs(token_blocks + block, mine);
    }
#endif
    workgroupBarrier();
    for (var i = 0u; i < 8u * SIDE; i += SIDE) {
      let w0 = weights[i + row];
      let w1 = weights[i + row + 8u];
      let w2 = weights[i + row + 16u];
      let w3 = weights[i + row + 24u];
      let x0 = inputs[i + token];
      a += dots(w0, w1, w2, w3, x0);
#ifdef WIDE
      let w4 = weights[i + row + 32u];
      let w5 = weights[i + row + 40u];
      let w6 = weights[i + row + 48u];
      let w7 = weights[i + row + 56u];
      a2 += dots(w4, w5, w6, w7, x0);
#endif
      if (count > 8u) {
        let x1 = inputs[i + token + 8u];
        let x2 = inputs[i + token + 16u];
        let x3 = inputs[i + token + 24u];
        b += dots(w0, w1, w2, w3, x1);
        c += dots(w0, w1, w2, w3, x2);
        d += dots(w0, w1, w2, w3, x3);
#ifdef WIDE
        b2 += dots(w4, w5, w6, w7, x1);
        c2 += dots(w4, w5, w6, w7, x2);
        d2 += dots(w4, w5, w6, w7, x3);
      }
      if (count > 32u) {
        let x4 = inputs[i + token + 32u];
        let x5 = inputs[i + token + 40u];
        let x6 = inputs[i + token + 48u];
        let x7 = inputs[i + token + 56u];
        e += dots(w0, w1, w2, w3, x4);
        f += dots(w0, w1, w2, w3, x5);
        g += dots(w0, w1, w2, w3, x6);
        h += dots(w0, w1, w2, w3, x7);
        e2 += dots(w4, w5, w6, w7, x4);
        f2 += dots(w4, w5, w6, w7, x5);
        g2 += dots(w4, w5, w6, w7, x6);
        h2 += dots(w4, w5, w6, w7, x7);
#endif
      }
    }
  }
  let r = first_row + row;
  let t = first_token + token;
  keep_four(t, r, a);
  keep_four(t + 8u, r, b);
  keep_four(t + 16u, r, c);
  keep_four(t + 24u, r, d);
#ifdef WIDE
  keep_four(t + 32u, r, e);
  keep_four(t + 40u, r, f);
  keep_four(t + 48u, r, g);
  keep_four(t + 56u, r, h);
  keep_four(t, r + 32u, a2);
  keep_four(t + 8u, r + 32u, b2);
  keep_four(t + 16u, r + 32u, c2);
  keep_four(t + 24u, r + 32u, d2);
  keep_four(t + 32u, r + 32u, e2);
  keep_four(t + 40u, r + 32u, f2);
  keep_four(t + 48u, r + 32u, g2);
  keep_four(t + 56u, r + 32u, h2);
#endif
}
