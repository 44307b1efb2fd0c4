// Takes the tokens of a step through the state of a gated DeltaNet: S = decay S, then
// S += k (beta (v - S^T k))^T, and norms and gates S^T q. A workgroup takes a value head, and a
// thread a column of its state, which nobody else sees.
#import lib/params
#import lib/sum

struct Op {
  channels: u32,
  key_heads: u32,
  value_heads: u32,
  state: u32,             // numbers of a state
  first: u32,             // where the heads begin in a state
  dt_at: u32,             // in `vectors`, in vec4
  a_at: u32,
  norm_at: u32,
  eps: f32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> qkv: array<f32>;            // [tokens, channels]
@group(1) @binding(2) var<storage, read> gates: array<f32>;          // [tokens, value heads, LANES]
@group(1) @binding(3) var<storage, read> betas: array<f32>;          // [tokens, value heads]
@group(1) @binding(4) var<storage, read> alphas: array<f32>;
@group(1) @binding(5) var<storage, read> vectors: array<vec4<f32>>;
@group(1) @binding(6) var<storage, read_write> states: array<f32>;   // [states, state]
@group(1) @binding(7) var<storage, read_write> out: array<f32>;      // [tokens, value heads, LANES]

var<workgroup> query: array<f32, $KEY_DIM>;
var<workgroup> key: array<f32, $KEY_DIM>;

fn vector(at: u32, i: u32) -> f32 {
  return vectors[at + i / 4u][i % 4u];
}

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-x));
}

// ln(1 + e^x), which is x where that is large.
fn softplus(x: f32) -> f32 {
  return select(log(1.0 + exp(min(x, 20.0))), x, x > 20.0);
}

@compute @workgroup_size($LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let head = group.x;
  let keys = op.key_heads * $KEY_DIM;
  let key_at = head % op.key_heads * $KEY_DIM;
  let within = op.first + head * $KEY_DIM * $LANES + lane;
  let column = params.state_to * op.state + within;
  var source = params.state_from * op.state + within;
  var is_held = params.position > 0u;
  for (var token = 0u; token < params.tokens; token++) {
    let at = token * op.channels;
    var squares = vec2<f32>(0.0);
    for (var i = lane; i < $KEY_DIM; i += $LANES) {
      let q = qkv[at + key_at + i];
      let k = qkv[at + keys + key_at + i];
      query[i] = q;
      key[i] = k;
      squares += vec2<f32>(q * q, k * k);
    }
    let q_scale = inverseSqrt((workgroup_sum(squares.x, lane) + 1e-6) * f32($KEY_DIM));
    let k_scale = inverseSqrt(workgroup_sum(squares.y, lane) + 1e-6);
    let of_head = token * op.value_heads + head;
    let time = softplus(alphas[of_head] + vector(op.dt_at, head));
    let decay = exp(vector(op.a_at, head) * time);
    var held = 0.0;
    if (is_held) {
      for (var i = 0u; i < $KEY_DIM; i++) {
        held += states[source + i * $LANES] * key[i];
      }
    }
    let value = qkv[at + 2u * keys + head * $LANES + lane];
    let written = (value - held * decay * k_scale) * sigmoid(betas[of_head]) * k_scale;
    var y = 0.0;
    for (var i = 0u; i < $KEY_DIM; i++) {
      var s = 0.0;
      if (is_held) {
        s = states[source + i * $LANES] * decay;
      }
      s += key[i] * written;
      states[column + i * $LANES] = s;
      y += s * query[i];
    }
    source = column;
    is_held = true;
    y *= q_scale;
    let mean = workgroup_sum(y * y, lane) / f32($LANES);
    let result = of_head * $LANES + lane;
    let gate = gates[result];
    y *= inverseSqrt(mean + op.eps) * vector(op.norm_at, lane);
    out[result] = y * gate * sigmoid(gate);
  }
}
