// Rows of a weight times 32 columns of x; `sums` are x's sums over columns 0 .. 16 and 16 .. 32.
fn dot_W(block: u32, x: array<vec4<f32>, 8>, sums: vec2<f32>) -> f32 {
  let l = levels_W(block);
  let s = scales_W(block);
  let first = dot(l[0], x[0]) + dot(l[1], x[1]) + dot(l[2], x[2]) + dot(l[3], x[3]);
  let second = dot(l[4], x[4]) + dot(l[5], x[5]) + dot(l[6], x[6]) + dot(l[7], x[7]);
  return s.x * first + s.y * sums.x + s.z * second + s.w * sums.y;
}

fn four_dots_W(rows: vec4<u32>, block: u32, x: array<vec4<f32>, 8>, sums: vec2<f32>) -> vec4<f32> {
  let at = rows * op.planes_W.blocks + block;
  return vec4<f32>(dot_W(at.x, x, sums), dot_W(at.y, x, sums), dot_W(at.z, x, sums), dot_W(at.w, x, sums));
}

fn two_dots_W(rows: vec2<u32>, block: u32, x: array<vec4<f32>, 8>, sums: vec2<f32>) -> vec2<f32> {
  let at = rows * op.planes_W.blocks + block;
  return vec2<f32>(dot_W(at.x, x, sums), dot_W(at.y, x, sums));
}
