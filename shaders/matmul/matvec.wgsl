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
#ifdef SUBGROUPS
// A bit for each subgroup: that of its first lane, wherever its other lanes are. WGSL does not say
// which lanes of a workgroup form a subgroup.
var<workgroup> subgroups: atomic<u32>;
#endif

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  var group = id.y * op.groups + id.x;
  if (group >= op.count) {
    return;
  }
#ifdef SUBGROUPS
  if (lane == 0u) {
    atomicStore(&subgroups, 0u);
  }
  workgroupBarrier();
#endif
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
  if (lane == subgroupBroadcastFirst(lane)) {
    sums[lane] = all;
#ifdef NORM
    squares[lane] = all_squares;
#endif
    atomicOr(&subgroups, 1u << lane);
  }
  workgroupBarrier();
  if (lane != 0u) {
    return;
  }
  sum = vec4<f32>(0.0);
  square = 0.0;
  // In the order of the bits, so that the sum is rounded alike each time.
  for (var rest = atomicLoad(&subgroups); rest != 0u; rest &= rest - 1u) {
    let first = firstTrailingBit(rest);
    sum += sums[first];
#ifdef NORM
    square += squares[first];
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
