// Changes the logits by penalties, biases and the mask, and finds the largest one of each slice of
// the vocabulary. A workgroup takes a slice.
#import lib/params
#import lib/slices
#import lib/argmax

@group(1) @binding(1) var<storage, read_write> logits: array<f32>;       // [vocab]
// [vocab]: 0 unseen, 1 in the prompt, 1 + n in the answer n times
@group(1) @binding(2) var<storage, read> marks: array<u32>;
@group(1) @binding(3) var<storage, read> bias: array<f32>;               // [vocab]
// [vocab / 32]: bit i of word j tells whether token 32 j + i may be sampled
@group(1) @binding(4) var<storage, read> mask: array<u32>;
// [slices]: order and token; BROKEN where a logit is no number
@group(1) @binding(5) var<storage, read_write> maxima: array<vec2<u32>>;

const NEVER = -3.4028234e38;    // the least f32, for WGSL cannot write an infinity

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let end = min(op.vocab, (group.x + 1u) * op.slice);
  var largest = vec2<u32>(0u, group.x * op.slice);
  for (var token = group.x * op.slice + lane; token < end; token += $LANES) {
    var x = logits[token];
    if (params.penalized != 0u) {
      let mark = marks[token];
      if (mark > 0u) {
        x = select(x * params.repetition_penalty, x / params.repetition_penalty, x > 0.0);
      }
      if (mark > 1u) {
        x -= params.frequency_penalty * f32(mark - 1u) + params.presence_penalty;
      }
      x += bias[token];
      logits[token] = x;
    }
    var candidate = candidate_of(x, token);
    if (params.masked != 0u && ((mask[token >> 5u] >> (token & 31u)) & 1u) == 0u) {
      logits[token] = NEVER;
      if (candidate.y != NONE) {
        candidate.x = order(NEVER);
      }
    }
    if (precedes(candidate, largest)) {
      largest = candidate;
    }
  }
  let first = workgroup_argmax(largest, lane);
  if (lane == 0u) {
    maxima[group.x] = first;
  }
}
