// Rows of a weight times a block of 32 columns of x.
//   TOGETHER   the four rows stand side by side, beginning with a multiple of four
#import shared/input

fn dot_W(block: u32, s: vec4<f32>, x: Input) -> f32 {
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
  let at = numbers_W(rows, block);
#ifdef TOGETHER
  let s = four_scales_W(at.x);
#else
  let s = FourScales(scales_W(at.x), scales_W(at.y), scales_W(at.z), scales_W(at.w));
#endif
  return vec4<f32>(dot_W(at.x, s.a, x), dot_W(at.y, s.b, x), dot_W(at.z, s.c, x), dot_W(at.w, s.d, x));
}

fn two_dots_W(rows: vec2<u32>, block: u32, x: Input) -> vec2<f32> {
  let at = numbers_W(rows.xyxy, block);
#ifdef TEXTURES
  let four = four_scales_W(at.x & ~3u);
  let first = (at.x & 2u) == 0u;
  return vec2<f32>(dot_W(at.x, select(four.c, four.a, first), x), dot_W(at.y, select(four.d, four.b, first), x));
#else
  return vec2<f32>(dot_W(at.x, scales_W(at.x), x), dot_W(at.y, scales_W(at.y), x));
#endif
}
