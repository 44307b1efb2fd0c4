// Computes out = activation(out) * up. A thread takes a number.
#import lib/params
#import lib/activation

struct Op {
  width: u32,             // numbers of a token
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> up: array<f32>;         // [tokens, width]
@group(1) @binding(2) var<storage, read_write> out: array<f32>;  // [tokens, width]

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= op.width) {
    return;
  }
  let at = id.y * op.width + id.x;
  out[at] = activation(out[at]) * up[at];
}
