// Multiplies rows of a weight by a block of 32 columns of x.
#import shared/input

fn dot_W(block: u32, x: Input) -> f32 {
  let s = scales_W(block);
#ifdef DOTS
  let l = bytes_W(block);
  let dots = x.scale * vec2<f32>(vec2<i32>(
    128 * four_words(l.first, x.high_first) + four_words(l.first, x.low_first),
    128 * four_words(l.second, x.high_second) + four_words(l.second, x.low_second),
  ));
#else
  let l = levels_W(block);
  let dots = vec2<f32>(
    dot(l.a, x.v.a) + dot(l.b, x.v.b) + dot(l.c, x.v.c) + dot(l.d, x.v.d),
    dot(l.e, x.v.e) + dot(l.f, x.v.f) + dot(l.g, x.v.g) + dot(l.h, x.v.h),
  );
#endif
  return s.x * dots.x + s.y * x.sums.x + s.z * dots.y + s.w * x.sums.y;
}

fn four_dots_W(rows: vec4<u32>, block: u32, x: Input) -> vec4<f32> {
  let at = rows * op.planes_W.blocks + block;
  return vec4<f32>(dot_W(at.x, x), dot_W(at.y, x), dot_W(at.z, x), dot_W(at.w, x));
}

fn two_dots_W(rows: vec2<u32>, block: u32, x: Input) -> vec2<f32> {
  let at = rows * op.planes_W.blocks + block;
  return vec2<f32>(dot_W(at.x, x), dot_W(at.y, x));
}
