// Computes h = rms_norm(x) * norm. A workgroup takes a token.
#import lib/params
#import lib/sum

struct Op {
  width: u32,             // of x, in vec4
  norm_at: u32,           // in `vectors`, in vec4
  eps: f32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> x: array<vec4<f32>>;  // [tokens, width]
@group(1) @binding(2) var<storage, read> vectors: array<vec4<f32>>;
@group(1) @binding(3) var<storage, read_write> h: array<vec4<f32>>;  // [tokens, width]

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = group.y * op.width;
  var square = 0.0;
  for (var i = lane; i < op.width; i += $LANES) {
    square += dot(x[first + i], x[first + i]);
  }
  let mean = workgroup_sum(square, lane) / f32(4u * op.width);
  let scale = inverseSqrt(mean + op.eps);
  for (var i = lane; i < op.width; i += $LANES) {
    h[first + i] = x[first + i] * vectors[op.norm_at + i] * scale;
  }
}
