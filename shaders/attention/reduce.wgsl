// Joins the splits of attention: the sums of each are weighted by the exponential of its maximum.
#import lib/params

struct Op {
  heads: u32,
  kv_heads: u32,
  room: u32,              // positions of the layer's cache
  max_splits: u32,
  window: u32,            // the last positions that a token sees
  scale: f32,
  softcap: f32,
}
@group(1) @binding(0) var<uniform> op: Op;
// [tokens, heads, max_splits, 2 + head_dim]: the maximum, the sum of exponentials, and the values
@group(1) @binding(1) var<storage, read> partials: array<f32>;
@group(1) @binding(2) var<storage, read_write> out: array<f32>;    // [tokens, heads, head_dim]

const HEAD_DIM = $HEAD_DIM;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * op.heads + id.x;
  let stride = HEAD_DIM + 2u;
  let first = row * op.max_splits * stride;
  var largest = partials[first];
  for (var i = 1u; i < params.splits; i++) {
    largest = max(largest, partials[first + i * stride]);
  }
  for (var d = lane; d < HEAD_DIM; d += 64u) {
    var sum = 0.0;
    var total = 0.0;
    for (var i = 0u; i < params.splits; i++) {
      let at = first + i * stride;
      let weight = exp(partials[at] - largest);
      total += weight * partials[at + 1u];
      sum += weight * partials[at + 2u + d];
    }
    out[row * HEAD_DIM + d] = sum / total;
  }
}
