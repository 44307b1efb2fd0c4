// Multiplies a weight by one token's activations (lib/matvec_io says what comes before and after).
// A workgroup takes four rows, and each lane every LANES-th block of 32 columns of all four,
// so that x is read once for them.
#ifdef SUBGROUPS
#enable subgroups
#endif
#import lib/matvec_io

var<workgroup> sums: array<vec4<f32>, $LANES>;
#ifdef NORM
var<workgroup> squares: array<f32, $LANES>;
#endif

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
#ifdef SUBGROUPS
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
  @builtin(subgroup_size) subgroup_size: u32,
#endif
) {
  var group = id.y * op.groups + id.x;
  if (group >= op.count) {
    return;
  }
  let token = token_of(id);
  var weight = 0u;
#ifdef QKV
  if (group >= op.rows / 4u) {
    group -= op.rows / 4u;
    weight = 1u;
    if (group >= op.other_rows / 4u) {
      group -= op.other_rows / 4u;
      weight = 2u;
    }
  }
#endif
  let rows = rows_of(group);
  var sum = vec4<f32>(0.0);
  var square = 0.0;
  for (var block = lane; block < op.blocks; block += $LANES) {
    let x = columns(token, block);
    square += x.square;
#ifdef QKV
    if (weight == 0u) {
      sum += four_dots_a(rows, block, x.input);
    } else if (weight == 1u) {
      sum += four_dots_b(rows, block, x.input);
    } else {
      sum += four_dots_c(rows, block, x.input);
    }
#else
#ifdef GATE_UP
    sum += vec4<f32>(two_dots_a(rows.xy, block, x.input), two_dots_b(rows.xy, block, x.input));
#else
    sum += four_dots_a(rows, block, x.input);
#endif
#endif
  }

#ifdef SUBGROUPS
  let all = subgroupAdd(sum);
#ifdef NORM
  let all_squares = subgroupAdd(square);
#endif
  let subgroup = lane / subgroup_size;
  if (subgroup_lane == 0u) {
    sums[subgroup] = all;
#ifdef NORM
    squares[subgroup] = all_squares;
#endif
  }
  workgroupBarrier();
  if (lane != 0u) {
    return;
  }
  sum = sums[0];
#ifdef NORM
  square = squares[0];
#endif
  for (var i = 1u; i * subgroup_size < $LANES; i++) {
    sum += sums[i];
#ifdef NORM
    square += squares[i];
#endif
  }
#else
  sums[lane] = sum;
#ifdef NORM
  squares[lane] = square;
#endif
  for (var stride = $LANES / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      sums[lane] += sums[lane + stride];
#ifdef NORM
      squares[lane] += squares[lane + stride];
#endif
    }
  }
  if (lane != 0u) {
    return;
  }
  sum = sums[0];
#ifdef NORM
  square = squares[0];
#endif
#endif
  keep(weight, group, token, sum, square);
}
