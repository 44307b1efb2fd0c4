// How likely the chosen token was, and the likeliest ones: what rank.wgsl found of the slices, put together. One workgroup, a lane a slice.
#import shared/step
#import shared/slices
#import shared/ranks

@group(1) @binding(1) var<storage, read> raw: array<f32>;                  // [vocab]
@group(1) @binding(2) var<storage, read> ranked: array<vec2<u32>>;         // [slices, RANKS]: order and token; order 0 where there are no more
@group(1) @binding(3) var<storage, read> sums: array<f32>;                 // [slices]: of e^(logit - the slice's largest)
@group(1) @binding(4) var<storage, read> token_ids: array<u32>;
@group(1) @binding(5) var<storage, read_write> likely: array<u32>;         // [1 + RANKS, 2]: token and its log-probability; first the chosen one

var<workgroup> best: array<vec3<u32>, 64>;                                 // order, token, slice
var<workgroup> first: vec3<u32>;
var<workgroup> parts: array<f32, 64>;
var<workgroup> total: f32;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var log_sum = 0.0;
  var taken = 0u;
  for (var rank = 0u; rank < max(now.top_logprobs, 1u); rank++) {
    var mine = vec3<u32>(0u, NONE, lane);
    if (taken < max(now.top_logprobs, 1u)) {
      mine = vec3<u32>(ranked[lane * RANKS + taken], lane);
    }
    best[lane] = mine;
    for (var stride = 32u; stride > 0u; stride /= 2u) {
      workgroupBarrier();
      if (lane < stride && ranks_before(best[lane + stride].xy, best[lane].xy)) {
        best[lane] = best[lane + stride];
      }
    }
    if (lane == 0u) {
      first = best[0];
    }
    let next = workgroupUniformLoad(&first);
    if (rank == 0u) {
      let largest = ordered(next.x);
      var part = 0.0;
      if (mine.x > 0u) {
        part = sums[lane] * exp(ordered(mine.x) - largest);
      }
      parts[lane] = part;
      for (var stride = 32u; stride > 0u; stride /= 2u) {
        workgroupBarrier();
        if (lane < stride) {
          parts[lane] += parts[lane + stride];
        }
      }
      if (lane == 0u) {
        total = parts[0];
      }
      log_sum = largest + log(workgroupUniformLoad(&total));
    }
    if (next.x > 0u && next.z == lane) {
      taken += 1u;
    }
    if (lane == 0u) {
      likely[2u * rank + 2u] = select(NONE, next.y, next.x > 0u);
      likely[2u * rank + 3u] = bitcast<u32>(ordered(max(next.x, 1u)) - log_sum);
    }
  }
  if (lane == 0u) {
    let token = token_ids[now.chosen_at];
    likely[0] = token;
    likely[1] = bitcast<u32>(raw[min(token, op.vocab - 1u)] - log_sum);
  }
}
