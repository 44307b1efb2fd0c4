// Computes x = scale * table[token ids], a row of the table for each token. A thread takes a block of 32
// columns.
#import lib/params
#import quant/$A as a

struct Op {
  planes_a: Planes,
  first_row: u32,         // of this part of the table
  rows: u32,
  scale: f32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> weight_a: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> token_ids: array<u32>;
@group(1) @binding(3) var<storage, read_write> x: array<vec4<f32>>; // [tokens, columns / 4]

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = group.x * $LANES + lane;
  // The difference wraps where the row lies before this part of the table.
  let row = token_ids[params.token_at + group.y] - op.first_row;
  if (i >= op.planes_a.blocks || row >= op.rows) {
    return;
  }
  let block = row * op.planes_a.blocks + i;
  let q = quants_a(block);
  let s = op.scale * scales_a(block);
  let at = (group.y * op.planes_a.blocks + i) * 8u;
  x[at] = s.x * q.a + s.y;
  x[at + 1u] = s.x * q.b + s.y;
  x[at + 2u] = s.x * q.c + s.y;
  x[at + 3u] = s.x * q.d + s.y;
  x[at + 4u] = s.z * q.e + s.w;
  x[at + 5u] = s.z * q.f + s.w;
  x[at + 6u] = s.z * q.g + s.w;
  x[at + 7u] = s.z * q.h + s.w;
}
