// Convolves positions, each channel by itself, between two gates, and puts what is convolved into
// the cache. A thread takes two channels of a token. Inputs of the step's own tokens are made again
// from its activations, rounded as in the cache, so that no thread waits for another.
#import lib/params
#import lib/f16_pair

struct Op {
  pairs: u32,             // of channels
  taps: u32,              // positions that a token sees, its own included
  conv_at: u32,           // in `vectors`, in vec4
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> bcu: array<vec2<f32>>;      // [tokens, b | c | u, pairs]
@group(1) @binding(2) var<storage, read> vectors: array<vec4<f32>>;  // [2 pairs, taps] at `conv_at`
@group(1) @binding(3) var<storage, read_write> conv_inputs: array<u32>;   // [positions, pairs]
@group(1) @binding(4) var<storage, read_write> out: array<vec2<f32>>;     // [tokens, pairs]

// Returns what is convolved of a token of this step.
fn input(token: u32, pair: u32) -> u32 {
  let at = token * 3u * op.pairs + pair;
  return f16_pair(bcu[at] * bcu[at + 2u * op.pairs]);
}

fn factor(channel: u32, tap: u32) -> f32 {
  let at = channel * op.taps + tap;
  return vectors[op.conv_at + at / 4u][at % 4u];
}

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let pair = id.x;
  let token = id.y;
  if (pair >= op.pairs) {
    return;
  }
  let position = params.position + token;
  let own = input(token, pair);
  conv_inputs[position * op.pairs + pair] = own;
  var sum = vec2<f32>(0.0);
  for (var tap = 0u; tap < op.taps; tap++) {
    let back = op.taps - 1u - tap;
    if (back > position) {
      continue;
    }
    var word = own;
    if (back > token) {
      word = conv_inputs[(position - back) * op.pairs + pair];
    } else if (back > 0u) {
      word = input(token - back, pair);
    }
    let factors = vec2<f32>(factor(2u * pair, tap), factor(2u * pair + 1u, tap));
    sum += factors * unpack2x16float(word);
  }
  out[token * op.pairs + pair] = bcu[(token * 3u + 1u) * op.pairs + pair] * sum;
}
