// Multiplies what a layer takes beside the residual stream by the activation of its gate.
#import lib/params
#import lib/activation

struct Op {
  width: u32,             // of a layer's input
  first: u32,             // of it among those of all layers
  stride: u32,            // of all layers
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> inputs: array<f32>;     // [tokens, layers, width]
@group(1) @binding(2) var<storage, read_write> a: array<f32>;    // [tokens, width]

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= op.width) {
    return;
  }
  let at = id.y * op.width + id.x;
  a[at] = activation(a[at]) * inputs[id.y * op.stride + op.first + id.x];
}
