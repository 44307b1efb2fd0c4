// Penalties, biases and the mask on the logits, and the largest logit of each slice of the vocabulary.
#import shared/step
#import shared/slices

@group(1) @binding(1) var<storage, read_write> logits: array<f32>;         // [vocab]
@group(1) @binding(2) var<storage, read> marks: array<u32>;                // [vocab]: 0 unseen, 1 in the prompt, 1 + n in the answer n times
@group(1) @binding(3) var<storage, read> bias: array<f32>;                 // [vocab]
@group(1) @binding(4) var<storage, read> mask: array<u32>;                 // [vocab / 32]: bit i of word j: token 32 j + i may be chosen
@group(1) @binding(5) var<storage, read_write> maxima: array<vec2<u32>>;   // [slices]: order and token; token NONE: a logit is no number

const NEVER = -3.4028234e38;              // WGSL has no infinity to write

var<workgroup> best: array<vec2<u32>, 64>;

// The larger logit, of equals the first; what is broken stays broken.
fn better(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  if (a.y == NONE || b.y == NONE) {
    return vec2<u32>(0u, NONE);
  }
  return select(b, a, a.x > b.x || (a.x == b.x && a.y < b.y));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let end = min(op.vocab, (group.x + 1u) * op.slice);
  var mine = vec2<u32>(0u, group.x * op.slice);
  for (var token = group.x * op.slice + lane; token < end; token += 64u) {
    var x = logits[token];
    if (now.penalized != 0u) {
      let mark = marks[token];
      if (mark > 0u) {
        x = select(x * now.repetition_penalty, x / now.repetition_penalty, x > 0.0);
      }
      if (mark > 1u) {
        x -= now.frequency_penalty * f32(mark - 1u) + now.presence_penalty;
      }
      x += bias[token];
      logits[token] = x;
    }
    // Of its bits, because a shader may take for granted that there is no NaN.
    let bits = bitcast<u32>(x);
    let broken = (bits & 0x7f800000u) == 0x7f800000u && bits != 0xff800000u;
    if (now.masked != 0u && ((mask[token >> 5u] >> (token & 31u)) & 1u) == 0u) {
      x = NEVER;
      logits[token] = x;
    }
    mine = better(mine, select(vec2<u32>(order(x), token), vec2<u32>(0u, NONE), broken));
  }
  best[lane] = mine;
  for (var stride = 32u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      best[lane] = better(best[lane], best[lane + stride]);
    }
  }
  if (lane == 0u) {
    maxima[group.x] = best[0];
  }
}
