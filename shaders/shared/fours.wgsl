// The rows that a lane has of a weight, times x.
#import shared/sums

fn sums_W(token: u32, first: u32, count: u32, blocks: u32) -> Sums {
  let rows = fours_of(first, count);
  var sums = Sums();
  for (var block = 0u; block < blocks; block++) {
    let x = columns(token, block);
    sums.square += x.square;
    for (var nth = 0u; nth < FOURS; nth++) {
      let four = rows_in(rows, nth);
#ifdef GATE_UP
      add(&sums, nth, vec4<f32>(two_dots_a(four.xy, block, x.input), two_dots_b(four.xy, block, x.input)));
#else
      add(&sums, nth, four_dots_W(four, block, x.input));
#endif
    }
  }
  return sums;
}
