// Takes queries from beside their gates, or multiplies what they attended to by the gates'
// sigmoids.
//   GATE       the latter
#import lib/params

struct Op {
  head_dim: u32,
  width: u32,             // of all queries of a token
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> both: array<f32>;  // [tokens, heads, q | gate, head_dim]
@group(1) @binding(2) var<storage, read_write> out: array<f32>;  // [tokens, width]

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= op.width) {
    return;
  }
  let at = id.y * op.width + id.x;
  let pair = id.x / op.head_dim;
  let query = 2u * id.y * op.width + id.x + pair * op.head_dim;
#ifdef GATE
  out[at] /= 1.0 + exp(-both[query + op.head_dim]);
#else
  out[at] = both[query];
#endif
}
