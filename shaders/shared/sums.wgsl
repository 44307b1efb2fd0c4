// A lane's groups of four rows, one a turn: LANES apart, so that lanes side by side have rows side by side. Written out, for what a lane looks
// up by a number lies in memory.
const LANES = $LANES;
const TURNS = $TURNS;     // 4 or fewer

struct Turns {
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
fn turns_of(first: u32, count: u32) -> Turns {
  let last = count - 1u;
  return Turns(
    rows_of(min(first, last)), rows_of(min(first + LANES, last)),
    rows_of(min(first + 2u * LANES, last)), rows_of(min(first + 3u * LANES, last)),
  );
}

fn rows_in(turns: Turns, turn: u32) -> vec4<u32> {
  return select(select(turns.c, turns.d, turn == 3u), select(turns.a, turns.b, turn == 1u), turn < 2u);
}

fn sum_of(sums: Sums, turn: u32) -> vec4<f32> {
  return select(select(sums.c, sums.d, turn == 3u), select(sums.a, sums.b, turn == 1u), turn < 2u);
}

fn add(sums: ptr<function, Sums>, turn: u32, products: vec4<f32>) {
  let none = vec4<f32>(0.0);
  (*sums).a += select(none, products, turn == 0u);
  (*sums).b += select(none, products, turn == 1u);
  (*sums).c += select(none, products, turn == 2u);
  (*sums).d += select(none, products, turn == 3u);
}
