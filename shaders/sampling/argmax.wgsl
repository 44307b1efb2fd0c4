// Finds the likeliest token of each row of logits, in two turns: a workgroup takes a slice of a row;
// then (LAST) a workgroup takes the slices of a row.
#import lib/params
#import lib/slices
#import lib/argmax

// [rows, slices]: order and token; BROKEN where a logit is no number
@group(1) @binding(1) var<storage, read_write> row_maxima: array<vec2<u32>>;
#ifdef LAST
@group(1) @binding(2) var<storage, read_write> token_ids: array<u32>;    // [rows]
#else
@group(1) @binding(2) var<storage, read> logits: array<f32>;             // [rows, vocab]
#endif

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
#ifdef LAST
  let first = workgroup_argmax(row_maxima[group.y * op.slices + lane], lane);
  if (lane == 0u) {
    token_ids[group.y] = select(first.y, NONE, first.x <= LOWEST);
  }
#else
  let end = min(op.vocab, (group.x + 1u) * op.slice);
  var largest = vec2<u32>(0u, group.x * op.slice);
  for (var token = group.x * op.slice + lane; token < end; token += $LANES) {
    let candidate = candidate_of(logits[group.y * op.vocab + token], token);
    if (precedes(candidate, largest)) {
      largest = candidate;
    }
  }
  let first = workgroup_argmax(largest, lane);
  if (lane == 0u) {
    row_maxima[group.y * op.slices + group.x] = first;
  }
#endif
}
