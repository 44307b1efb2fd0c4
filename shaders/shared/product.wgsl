// What a product of a weight and the activations of many tokens reads and writes. What is done with the result:
//   ADD        it is added to the output
//   GATED      the output holds the gate's results; it becomes silu(output) * result
// Without either it is stored.
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
