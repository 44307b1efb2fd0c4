// Computes h = rms_norm(x) * norm. A workgroup takes a row: a token, or a head of one.
//   IN_PLACE   x is h itself
//   ADD        the result is added to h, and the sum scaled
#import lib/params
#import lib/sum

struct Op {
  width: u32,             // of x, in vec4
  norm_at: u32,           // in `vectors`, in vec4
  eps: f32,
  rows: u32,              // of a token
  scale: f32,             // of a sum
}
@group(1) @binding(0) var<uniform> op: Op;
#ifndef IN_PLACE
@group(1) @binding(1) var<storage, read> x: array<vec4<f32>>;  // [tokens, rows, width]
#endif
@group(1) @binding(2) var<storage, read> vectors: array<vec4<f32>>;
@group(1) @binding(3) var<storage, read_write> h: array<vec4<f32>>;  // [tokens, rows, width]

fn input(i: u32) -> vec4<f32> {
#ifdef IN_PLACE
  return h[i];
#else
  return x[i];
#endif
}

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.y * op.rows + group.x) * op.width;
  var square = 0.0;
  for (var i = lane; i < op.width; i += $LANES) {
    square += dot(input(first + i), input(first + i));
  }
  let mean = workgroup_sum(square, lane) / f32(4u * op.width);
  let scale = inverseSqrt(mean + op.eps);
  for (var i = lane; i < op.width; i += $LANES) {
#ifdef ADD
    h[first + i] = op.scale * (h[first + i] + input(first + i) * vectors[op.norm_at + i] * scale);
#else
    h[first + i] = input(first + i) * vectors[op.norm_at + i] * scale;
#endif
  }
}
