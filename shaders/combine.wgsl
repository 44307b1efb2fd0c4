// Joins the splits of attention: each split's sums are weighted by the exponential of its maximum.
#import shared/step

struct Op {
  heads: u32,
  kv_heads: u32,
  context: u32,
  max_splits: u32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> partials: array<f32>;             // [tokens, heads, max_splits, maximum, sum, head]
@group(1) @binding(2) var<storage, read_write> out: array<f32>;            // [tokens, heads, head]

const HEAD = $HEAD;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = id.y * op.heads + id.x;
  let stride = HEAD + 2u;
  let first = row * op.max_splits * stride;
  var largest = partials[first];
  for (var i = 1u; i < now.splits; i++) {
    largest = max(largest, partials[first + i * stride]);
  }
  for (var d = lane; d < HEAD; d += 64u) {
    var sum = 0.0;
    var total = 0.0;
    for (var i = 0u; i < now.splits; i++) {
      let at = first + i * stride;
      let weight = exp(partials[at] - largest);
      total += weight * partials[at + 1u];
      sum += weight * partials[at + 2u + d];
    }
    out[row * HEAD + d] = sum / total;
  }
}
