// Finds what log-probabilities are made of, before anything changes the logits: of each slice of
// the vocabulary the sum of its exponentials and its largest logits, in order, as many as are
// wanted and at least one; and a copy of the logits. A workgroup takes a slice.
#import lib/params
#import lib/slices
#import lib/argmax
#import lib/sum

@group(1) @binding(1) var<storage, read> logits: array<f32>;             // [vocab]
@group(1) @binding(2) var<storage, read_write> raw: array<f32>;          // [vocab]
// [slices, MAX_LOGPROBS]: order and token; order 0 where there are no more
@group(1) @binding(3) var<storage, read_write> ranked: array<vec2<u32>>;
// [slices]: the sum of e^(logit - the slice's largest)
@group(1) @binding(4) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let start = group.x * op.slice + lane;
  let end = min(op.vocab, (group.x + 1u) * op.slice);
  var largest = 0.0;
  var last = vec2<u32>(NONE, 0u);
  for (var rank = 0u; rank < max(params.top_logprobs, 1u); rank++) {
    // The first candidate of this lane behind the last one that was found.
    var mine = vec2<u32>(0u, NONE);
    for (var token = start; token < end; token += $LANES) {
      let next = vec2<u32>(order(logits[token]), token);
      if (precedes(last, next) && precedes(next, mine)) {
        mine = next;
      }
    }
    last = workgroup_argmax(mine, lane);
    if (lane == 0u) {
      ranked[group.x * $MAX_LOGPROBS + rank] = last;
    }
    if (rank == 0u) {
      largest = ordered(last.x);
    }
  }

  var sum = 0.0;
  for (var token = start; token < end; token += $LANES) {
    let x = logits[token];
    raw[token] = x;
    if (order(x) > LOWEST) {
      sum += exp(x - largest);
    }
  }
  let total = workgroup_sum(sum, lane);
  if (lane == 0u) {
    sums[group.x] = total;
  }
}
