// A block of 32 columns of x as products take it. `sums` are those of columns 0 .. 16 and 16 .. 32,
// for the offsets of quants.
//   INT8_DOT   x is whole steps of `scale`, 15 bits each: 128 * high + low, signed bytes, four
//              columns a word. Dots of bytes are exact, so that nothing is lost but what lies below
//              2^-15 of the block's largest.
#import lib/eight
#import lib/largest

#ifdef INT8_DOT
struct Input {
  high_first: vec4<u32>,
  high_second: vec4<u32>,
  low_first: vec4<u32>,
  low_second: vec4<u32>,
  sums: vec2<f32>,
  scale: f32,
}

const MAX_STEPS = 16256.0;      // 127 * 128

fn four_words(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y)
    + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}

// Returns four columns as a word of high bytes and one of low bytes.
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
#ifdef INT8_DOT
  let first = max(max(abs(v.a), abs(v.b)), max(abs(v.c), abs(v.d)));
  let second = max(max(abs(v.e), abs(v.f)), max(abs(v.g), abs(v.h)));
  let largest = largest_of(max(first, second));
  let per_step = per_largest(MAX_STEPS, largest);
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
    sums, largest / MAX_STEPS,
  );
#else
  return Input(v, sums);
#endif
}
