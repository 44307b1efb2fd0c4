// Multiplies rows of a weight by a block of 32 columns of x.
#import lib/input

fn dot_W(block: u32, x: Input) -> f32 {
  let s = scales_W(block);
#ifdef INT8_DOT
  let q = bytes_W(block);
  let dots = x.scale * vec2<f32>(vec2<i32>(
    128 * four_words(q.first, x.high_first) + four_words(q.first, x.low_first),
    128 * four_words(q.second, x.high_second) + four_words(q.second, x.low_second),
  ));
#else
  let q = quants_W(block);
  let dots = vec2<f32>(
    dot(q.a, x.v.a) + dot(q.b, x.v.b) + dot(q.c, x.v.c) + dot(q.d, x.v.d),
    dot(q.e, x.v.e) + dot(q.f, x.v.f) + dot(q.g, x.v.g) + dot(q.h, x.v.h),
  );
#endif
  return s.x * dots.x + s.y * x.sums.x + s.z * dots.y + s.w * x.sums.y;
}

// Returns the products of four rows, or of two.
fn four_dots_W(rows: vec4<u32>, block: u32, x: Input) -> vec4<f32> {
  let at = rows * op.planes_W.blocks + block;
  return vec4<f32>(dot_W(at.x, x), dot_W(at.y, x), dot_W(at.z, x), dot_W(at.w, x));
}

fn two_dots_W(rows: vec2<u32>, block: u32, x: Input) -> vec2<f32> {
  let at = rows * op.planes_W.blocks + block;
  return vec2<f32>(dot_W(at.x, x), dot_W(at.y, x));
}
