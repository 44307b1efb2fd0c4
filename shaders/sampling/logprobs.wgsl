// Computes the log-probabilities of the sampled token and of the likeliest ones, from what
// sampling/top_logprobs found of the slices. There is one workgroup, with a lane for each slice.
#import lib/params
#import lib/slices
#import lib/argmax
#import lib/sum

@group(1) @binding(1) var<storage, read> raw: array<f32>;                // [vocab]
// [slices, MAX_LOGPROBS]: order and token; order 0 where there are no more
@group(1) @binding(2) var<storage, read> ranked: array<vec2<u32>>;
// [slices]: the sum of e^(logit - the slice's largest)
@group(1) @binding(3) var<storage, read> sums: array<f32>;
@group(1) @binding(4) var<storage, read> token_ids: array<u32>;
// [1 + MAX_LOGPROBS, 2]: a token and its log-probability; the sampled one is first
@group(1) @binding(5) var<storage, read_write> logprobs: array<u32>;

@compute @workgroup_size($LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  let wanted = max(params.top_logprobs, 1u);
  var log_sum = 0.0;
  var taken = 0u;
  for (var rank = 0u; rank < wanted; rank++) {
    var mine = vec2<u32>(0u, NONE);
    if (taken < wanted) {
      mine = ranked[lane * $MAX_LOGPROBS + taken];
    }
    let next = workgroup_argmax(mine, lane);
    if (rank == 0u) {
      let largest = ordered(next.x);
      var part = 0.0;
      if (mine.x > 0u) {
        part = sums[lane] * exp(ordered(mine.x) - largest);
      }
      log_sum = largest + log(workgroup_sum(part, lane));
    }
    if (next.x > 0u && next.y == mine.y) {
      taken += 1u;
    }
    if (lane == 0u) {
      logprobs[2u * rank + 2u] = select(NONE, next.y, next.x > 0u);
      logprobs[2u * rank + 3u] = bitcast<u32>(ordered(max(next.x, 1u)) - log_sum);
    }
  }
  if (lane == 0u) {
    let token = token_ids[params.sampled_at];
    logprobs[0] = token;
    logprobs[1] = bitcast<u32>(raw[min(token, op.vocab - 1u)] - log_sum);
  }
}
