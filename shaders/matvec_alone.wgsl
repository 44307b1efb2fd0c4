// As matvec.wgsl, for devices that are played by a processor: each lane has FOURS groups of four rows of its own, and takes them block by block
// of 32 columns, so that x is read once for them. There a barrier costs more than the rows, and loads are dear unless they are of constants.
#import shared/constants
#import shared/matvec
#import shared/fours as a
#ifdef QKV
#import shared/fours as b
#import shared/fours as c
#endif

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  var workgroup = id.y * op.groups + id.x;
  let token = token_of(id);
#ifdef QKV
  // Each workgroup has rows of one weight only, for these processors take every branch.
  let of_a = (op.rows / 4u + LANES * FOURS - 1u) / (LANES * FOURS);
  let of_b = (op.other_rows / 4u + LANES * FOURS - 1u) / (LANES * FOURS);
  var weight = 0u;
  var count = op.rows / 4u;
  if (workgroup >= of_a) {
    workgroup -= of_a;
    weight = 1u;
    count = op.other_rows / 4u;
    if (workgroup >= of_b) {
      workgroup -= of_b;
      weight = 2u;
    }
  }
  let first = workgroup * LANES * FOURS + lane;
  let a = sums_a(token, first, count, select(0u, op.blocks, weight == 0u));
  let b = sums_b(token, first, count, select(0u, op.blocks, weight == 1u));
  let c = sums_c(token, first, count, select(0u, op.blocks, weight == 2u));
  let sums = Sums(a.a + b.a + c.a, a.b + b.b + c.b, a.c + b.c + c.c, a.d + b.d + c.d, a.square + b.square + c.square);
#else
  let weight = 0u;
  let count = op.count;
  let first = workgroup * LANES * FOURS + lane;
  let sums = sums_a(token, first, count, op.blocks);
#endif
  for (var nth = 0u; nth < FOURS; nth++) {
    let group = first + nth * LANES;
    if (group < count) {
      keep(weight, group, token, sum_of(sums, nth), sums.square);
    }
  }
}
