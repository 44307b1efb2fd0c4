// A lane's groups of four rows: LANES apart, so that lanes side by side have rows side by side. Written out, for what a lane looks up by a number
// lies in memory.
const LANES = $LANES;
const FOURS = $FOURS;     // groups of four rows that a lane has: 4 or fewer

struct Fours {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

struct Sums {
  a: vec4<f32>,
  b: vec4<f32>,
  c: vec4<f32>,
  d: vec4<f32>,
  square: f32,            // of x
}

// Behind the last group it comes once more.
fn fours_of(first: u32, count: u32) -> Fours {
  let last = count - 1u;
  return Fours(
    rows_of(min(first, last)), rows_of(min(first + LANES, last)),
    rows_of(min(first + 2u * LANES, last)), rows_of(min(first + 3u * LANES, last)),
  );
}

fn rows_in(fours: Fours, nth: u32) -> vec4<u32> {
  return select(select(fours.c, fours.d, nth == 3u), select(fours.a, fours.b, nth == 1u), nth < 2u);
}

fn sum_of(sums: Sums, nth: u32) -> vec4<f32> {
  return select(select(sums.c, sums.d, nth == 3u), select(sums.a, sums.b, nth == 1u), nth < 2u);
}

fn add(sums: ptr<function, Sums>, nth: u32, products: vec4<f32>) {
  let none = vec4<f32>(0.0);
  (*sums).a += select(none, products, nth == 0u);
  (*sums).b += select(none, products, nth == 1u);
  (*sums).c += select(none, products, nth == 2u);
  (*sums).d += select(none, products, nth == 3u);
}
