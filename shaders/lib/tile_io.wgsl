// What a product of a weight and the activations of many tokens reads and writes.
//   ADD        the result is added to the output
//   GATED      the output holds the gate's results; it becomes activation(output) * result
//   GELU       the activation is GELU, and not SiLU
//   BIAS       a bias is added to the result before that
// Without ADD and GATED it is stored.
#import lib/activation

struct Op {
  planes_a: Planes,
  rows: u32,              // of this part of the weight
  first_row: u32,
  stride: u32,            // from one token's results to the next
  bias_at: u32,           // in `vectors`, in vec4
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> weight_a: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> x: array<vec4<f32>>;      // [tokens, columns / 4]
@group(1) @binding(3) var<storage, read_write> out: array<f32>;    // [tokens, stride]
#ifdef BIAS
@group(1) @binding(4) var<storage, read> vectors: array<vec4<f32>>;
#import lib/bias
#endif

fn keep(token: u32, row: u32, sum: f32) {
  if (token < params.tokens && row < op.rows) {
    let at = token * op.stride + op.first_row + row;
#ifdef BIAS
    let result = sum + bias(op.bias_at, op.first_row + row);
#else
    let result = sum;
#endif
#ifdef ADD
    out[at] += result;
#else
#ifdef GATED
    out[at] = activation(out[at]) * result;
#else
    out[at] = result;
#endif
#endif
  }
}
