// The logits near enough to the largest to be drawn at all, with their tokens, each slice of the vocabulary in its order. What is left out
// weighs less than e^-24 of the likeliest token, each.
#import shared/step
#import shared/slices

@group(1) @binding(1) var<storage, read> logits: array<f32>;               // [vocab]
@group(1) @binding(2) var<storage, read> maxima: array<vec2<u32>>;         // [slices]: order and token
@group(1) @binding(3) var<storage, read_write> kept: array<vec2<u32>>;     // [slices, slice]: order and token
@group(1) @binding(4) var<storage, read_write> counts: array<u32>;         // [slices]: how many of them

const REACH = 24.0;

var<workgroup> before: array<u32, 65>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  if (now.temperature == 0.0) {
    return;
  }
  var largest = 0u;
  for (var i = 0u; i < op.slices; i++) {
    largest = max(largest, maxima[i].x);
  }
  let floor = ordered(largest) - REACH * now.temperature;
  let share = (op.slice + 63u) / 64u;
  let end = min(op.vocab, (group.x + 1u) * op.slice);
  let start = min(end, group.x * op.slice + lane * share);
  let stop = min(end, start + share);

  var count = 0u;
  for (var token = start; token < stop; token++) {
    count += select(0u, 1u, logits[token] >= floor);
  }
  before[lane + 1u] = count;
  workgroupBarrier();
  if (lane == 0u) {
    before[0] = 0u;
    for (var i = 1u; i <= 64u; i++) {
      before[i] += before[i - 1u];
    }
    counts[group.x] = before[64];
  }
  workgroupBarrier();
  var at = group.x * op.slice + before[lane];
  for (var token = start; token < stop; token++) {
    if (logits[token] >= floor) {
      kept[at] = vec2<u32>(order(logits[token]), token);
      at++;
    }
  }
}
