// Multiplies a weight by the activations of many tokens, in tiles of SIDE rows by SIDE tokens.
// Block by block of 32 columns, lanes put the tile's weights, dequantized, and its activations into
// workgroup memory; then each of the 64 lanes takes its 4 by 4 of it.
//   F16_TILES  the tile is of f16, half as large, and activations are shares of the largest one of
//              their block; sums of four products and more are f32
#ifdef F16_TILES
#enable f16
#endif
#import lib/params
#import quant/$A as a
#import lib/tile_io
#import lib/tile_rows
#import lib/largest

const SIDE = $SIDE;

#ifdef F16_TILES
alias Four = vec4<f16>;
var<workgroup> largest: array<f32, SIDE>;            // of the block's columns, [tokens]
#else
alias Four = vec4<f32>;
#endif
var<workgroup> weights: array<Four, 8u * SIDE>;      // [columns / 4, rows]
var<workgroup> inputs: array<Four, 8u * SIDE>;       // [columns / 4, tokens]

fn fetch_inputs(block: u32, token: u32) {
#ifdef F16_TILES
  var four = vec4<f32>();
  for (var i = 0u; i < 8u; i++) {
    four = max(four, abs(x[block * 8u + i]));
  }
  largest[token] = largest_of(four);
  let share = per_largest(1.0, largest[token]);
#else
  let share = 1.0;
#endif
  for (var i = 0u; i < 8u; i++) {
    inputs[i * SIDE + token] = Four(x[block * 8u + i] * share);
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first_row = group.x * SIDE;
  let first_token = group.y * SIDE;
  let count = params.tokens - first_token;
  let blocks = op.planes_a.blocks;
  let mine = lane % SIDE;
  let row_blocks = min(first_row + mine, op.rows - 1u) * blocks;
  let token_blocks = min(first_token + mine, params.tokens - 1u) * blocks;
  // A lane has every eighth row and token, from these on.
  let row = lane % 8u;
  let token = lane / 8u;
  var a = vec4<f32>();
  var b = vec4<f32>();
  var c = vec4<f32>();
  var d = vec4<f32>();
#ifdef F16_TILES
  var sums = mat4x4<f32>();
#endif
  for (var block = 0u; block < blocks; block++) {
    workgroupBarrier();
    if (lane < SIDE) {
      fetch_weights(row_blocks + block, mine);
    } else {
      fetch_inputs(token_blocks + block, mine);
    }
    workgroupBarrier();
    for (var i = 0u; i < 8u * SIDE; i += SIDE) {
      let w0 = weights[i + row];
      let w1 = weights[i + row + 8u];
      let w2 = weights[i + row + 16u];
      let w3 = weights[i + row + 24u];
      let x0 = inputs[i + token];
      a += dots(w0, w1, w2, w3, x0);
      if (count > 8u) {
        let x1 = inputs[i + token + 8u];
        let x2 = inputs[i + token + 16u];
        let x3 = inputs[i + token + 24u];
        b += dots(w0, w1, w2, w3, x1);
        c += dots(w0, w1, w2, w3, x2);
        d += dots(w0, w1, w2, w3, x3);
      }
    }
#ifdef F16_TILES
    sums += mat4x4<f32>(
      largest[token] * a,
      largest[token + 8u] * b,
      largest[token + 16u] * c,
      largest[token + 24u] * d,
    );
    a = vec4<f32>();
    b = vec4<f32>();
    c = vec4<f32>();
    d = vec4<f32>();
#endif
  }
#ifdef F16_TILES
  a = sums[0];
  b = sums[1];
  c = sums[2];
  d = sums[3];
#endif
  let r = first_row + row;
  let t = first_token + token;
  keep_four(t, r, a);
  keep_four(t + 8u, r, b);
  keep_four(t + 16u, r, c);
  keep_four(t + 24u, r, d);
}
