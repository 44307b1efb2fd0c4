// A block of 32 columns of x as products take it. `sums` are those of columns 0 .. 16 and 16 .. 32, for offsets of levels.
//   DOTS       as whole steps of `scale`, 15 bits each: 128 * high + low, signed bytes, four columns a word. The dots of bytes are exact, so
//              nothing is lost but what lies below 2^-15 of the block's largest.
#import shared/eight

#ifdef DOTS
struct Input {
  high_first: vec4<u32>,
  high_second: vec4<u32>,
  low_first: vec4<u32>,
  low_second: vec4<u32>,
  sums: vec2<f32>,
  scale: f32,
}

// The most steps: 127 * 128.
const MOST = 16256.0;

fn four_words(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

// Four columns: the word of high bytes, that of low ones.
fn steps_of(v: vec4<f32>, per_step: f32) -> vec2<u32> {
  let steps = vec4<i32>(round(v * per_step));
  let high = (steps + 64) >> vec4<u32>(7u);
  return vec2<u32>(pack4xI8(high), pack4xI8(steps - 128 * high));
}
#else
struct Input {
  v: Eight,
  sums: vec2<f32>,
}
#endif

fn input(v: Eight) -> Input {
  let ones = vec4<f32>(1.0);
  let sums = vec2<f32>(dot(v.a + v.b + v.c + v.d, ones), dot(v.e + v.f + v.g + v.h, ones));
#ifdef DOTS
  let four = max(max(max(abs(v.a), abs(v.b)), max(abs(v.c), abs(v.d))), max(max(abs(v.e), abs(v.f)), max(abs(v.g), abs(v.h))));
  let largest = max(max(four.x, four.y), max(four.z, four.w));
  let per_step = select(0.0, MOST / largest, largest > 1e-30);
  let a = steps_of(v.a, per_step);
  let b = steps_of(v.b, per_step);
  let c = steps_of(v.c, per_step);
  let d = steps_of(v.d, per_step);
  let e = steps_of(v.e, per_step);
  let f = steps_of(v.f, per_step);
  let g = steps_of(v.g, per_step);
  let h = steps_of(v.h, per_step);
  return Input(
    vec4<u32>(a.x, b.x, c.x, d.x), vec4<u32>(e.x, f.x, g.x, h.x),
    vec4<u32>(a.y, b.y, c.y, d.y), vec4<u32>(e.y, f.y, g.y, h.y),
    sums, largest / MOST,
  );
#else
  return Input(v, sums);
#endif
}
