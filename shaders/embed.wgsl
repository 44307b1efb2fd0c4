// x = table[token ids]: a row of the table for each token. One thread takes a block of 32 columns.
#import shared/step
#import quant/$A as a

struct Op {
  planes_a: Planes,
  first_row: u32,         // of this part of the table
  rows: u32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> buf_a: array<vec4<u32>>;
@group(1) @binding(2) var<storage, read> token_ids: array<u32>;
@group(1) @binding(3) var<storage, read_write> x: array<vec4<f32>>; // [tokens, columns / 4]

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 32u + lane;
  let row = token_ids[now.token_at + group.y] - op.first_row; // wraps where the row lies before this part
  if (i >= op.planes_a.blocks || row >= op.rows) {
    return;
  }
  let block = row * op.planes_a.blocks + i;
  let l = levels_a(block);
  let s = scales_a(block);
  let at = (group.y * op.planes_a.blocks + i) * 8u;
  x[at] = s.x * l.a + s.y;
  x[at + 1u] = s.x * l.b + s.y;
  x[at + 2u] = s.x * l.c + s.y;
  x[at + 3u] = s.x * l.d + s.y;
  x[at + 4u] = s.z * l.e + s.w;
  x[at + 5u] = s.z * l.f + s.w;
  x[at + 6u] = s.z * l.g + s.w;
  x[at + 7u] = s.z * l.h + s.w;
}
