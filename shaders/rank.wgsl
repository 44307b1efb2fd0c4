// What log-probabilities are made of, before anything changes the logits: of each slice of the vocabulary the sum of its exponentials and its
// largest logits, in order, as many as are wanted and one at least; and a copy of the logits.
#import shared/step
#import shared/slices
#import shared/ranks

@group(1) @binding(1) var<storage, read> logits: array<f32>;               // [vocab]
@group(1) @binding(2) var<storage, read_write> raw: array<f32>;            // [vocab]
@group(1) @binding(3) var<storage, read_write> ranked: array<vec2<u32>>;   // [slices, RANKS]: order and token; order 0 where there are no more
@group(1) @binding(4) var<storage, read_write> sums: array<f32>;           // [slices]: of e^(logit - the slice's largest)

var<workgroup> best: array<vec2<u32>, 64>;
var<workgroup> first: vec2<u32>;
var<workgroup> parts: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let start = group.x * op.slice + lane;
  let end = min(op.vocab, (group.x + 1u) * op.slice);
  var largest = 0.0;
  var last = vec2<u32>(NONE, 0u);
  for (var rank = 0u; rank < max(now.top_logprobs, 1u); rank++) {
    var mine = vec2<u32>(0u, NONE);
    for (var token = start; token < end; token += 64u) {
      let next = vec2<u32>(order(logits[token]), token);
      if (ranks_before(last, next) && ranks_before(next, mine)) {
        mine = next;
      }
    }
    best[lane] = mine;
    for (var stride = 32u; stride > 0u; stride /= 2u) {
      workgroupBarrier();
      if (lane < stride && ranks_before(best[lane + stride], best[lane])) {
        best[lane] = best[lane + stride];
      }
    }
    if (lane == 0u) {
      first = best[0];
      ranked[group.x * RANKS + rank] = first;
    }
    last = workgroupUniformLoad(&first);
    if (rank == 0u) {
      largest = ordered(last.x);
    }
  }

  var sum = 0.0;
  for (var token = start; token < end; token += 64u) {
    let x = logits[token];
    raw[token] = x;
    if (order(x) > LOWEST) {
      sum += exp(x - largest);
    }
  }
  parts[lane] = sum;
  for (var stride = 32u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      parts[lane] += parts[lane + stride];
    }
  }
  if (lane == 0u) {
    sums[group.x] = parts[0];
  }
}
