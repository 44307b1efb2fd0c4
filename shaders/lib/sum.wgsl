// The sum over a workgroup of $LANES threads, a power of two.

var<workgroup> lane_sums: array<f32, $LANES>;
var<workgroup> lane_total: f32;

// Returns the sum of every lane's value to all of them.
fn workgroup_sum(value: f32, lane: u32) -> f32 {
  lane_sums[lane] = value;
  for (var stride = $LANES / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      lane_sums[lane] += lane_sums[lane + stride];
    }
  }
  if (lane == 0u) {
    lane_total = lane_sums[0];
  }
  return workgroupUniformLoad(&lane_total);
}
