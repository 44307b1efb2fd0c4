// Keeps the logits that are near enough to the largest one to be drawn at all, with their tokens,
// each slice of the vocabulary in its order. What is left out weighs less than e^-24 of the
// likeliest token, each, for the filters and for the draw. A workgroup takes a slice.
#import lib/params
#import lib/slices

@group(1) @binding(1) var<storage, read> logits: array<f32>;             // [vocab]
@group(1) @binding(2) var<storage, read> maxima: array<vec2<u32>>;       // [slices]: order, token
@group(1) @binding(3) var<storage, read_write> kept: array<vec2<u32>>;  // [slices, slice], alike
@group(1) @binding(4) var<storage, read_write> counts: array<u32>;       // [slices]: candidates

const REACH = 24.0;               // in units of the temperature, which is 1 for the filters

// The candidates of all lanes before each one.
var<workgroup> before: array<u32, $LANES + 1u>;

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  var largest = 0u;
  for (var i = 0u; i < op.slices; i++) {
    largest = max(largest, maxima[i].x);
  }
  let floor = ordered(largest) - REACH * max(params.temperature, 1.0);
  let share = (op.slice + $LANES - 1u) / $LANES;
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
    for (var i = 1u; i <= $LANES; i++) {
      before[i] += before[i - 1u];
    }
    counts[group.x] = before[$LANES];
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
