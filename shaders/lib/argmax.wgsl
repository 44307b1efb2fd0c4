// The largest logit over a workgroup of $LANES threads, a power of two. A candidate is a logit as
// a number that orders as it does (`order` of lib/slices), and its token.

var<workgroup> lane_candidates: array<vec2<u32>, $LANES>;
var<workgroup> first_candidate: vec2<u32>;

// Returns the candidate of a token; BROKEN where its logit is no number.
fn candidate_of(x: f32, token: u32) -> vec2<u32> {
  // The bits tell, because a shader may take for granted that there is no NaN.
  let bits = bitcast<u32>(x);
  let broken = (bits & 0x7f800000u) == 0x7f800000u && bits != 0xff800000u;
  return select(vec2<u32>(order(x), token), BROKEN, broken);
}

// Returns whether a comes before b: the larger logit does, of equal ones the smaller token.
fn precedes(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.x > b.x || (a.x == b.x && a.y < b.y);
}

// Returns the first of every lane's candidate to all of them.
fn workgroup_argmax(candidate: vec2<u32>, lane: u32) -> vec2<u32> {
  lane_candidates[lane] = candidate;
  for (var stride = $LANES / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride && precedes(lane_candidates[lane + stride], lane_candidates[lane])) {
      lane_candidates[lane] = lane_candidates[lane + stride];
    }
  }
  if (lane == 0u) {
    first_candidate = lane_candidates[0];
  }
  return workgroupUniformLoad(&first_candidate);
}
