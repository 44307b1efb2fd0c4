// Convolves queries, keys and values of a gated DeltaNet, each channel by itself, and leaves its
// last inputs in a state. A thread takes a channel of a token.
#import lib/params

struct Op {
  channels: u32,
  taps: u32,              // positions that a token sees, its own included
  state: u32,             // numbers of a state, which begins with [taps - 1, channels]
  conv_at: u32,           // in `vectors`, in vec4
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> raw: array<f32>;            // [tokens, channels]
@group(1) @binding(2) var<storage, read> vectors: array<vec4<f32>>;  // [channels, taps]
@group(1) @binding(3) var<storage, read_write> states: array<f32>;   // [states, state]
@group(1) @binding(4) var<storage, read_write> out: array<f32>;      // [tokens, channels]

// Returns the input of a channel `back` positions before `token`.
fn input(channel: u32, token: u32, back: u32) -> f32 {
  if (back <= token) {
    return raw[(token - back) * op.channels + channel];
  }
  if (params.position == 0u) {
    return 0.0;
  }
  let row = op.taps - 1u + token - back;
  return states[params.state_from * op.state + row * op.channels + channel];
}

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let channel = id.x;
  let token = id.y;
  if (channel >= op.channels) {
    return;
  }
  var sum = 0.0;
  for (var tap = 0u; tap < op.taps; tap++) {
    let at = channel * op.taps + tap;
    let factor = vectors[op.conv_at + at / 4u][at % 4u];
    sum += factor * input(channel, token, op.taps - 1u - tap);
  }
  out[token * op.channels + channel] = sum / (1.0 + exp(-sum));
  if (token == 0u) {
    for (var row = 0u; row + 1u < op.taps; row++) {
      let at = params.state_to * op.state + row * op.channels + channel;
      states[at] = input(channel, params.tokens - 1u, op.taps - 2u - row);
    }
  }
}
