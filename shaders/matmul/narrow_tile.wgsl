// Multiplies a weight by the activations of up to TOKENS tokens, in tiles of SIDE rows, so that each
// weight is read once for all of them. Each half of the 64 lanes takes every second block of 32
// columns: its lanes put the tile's weights, dequantized, and its activations into workgroup
// memory; then each takes its 4 rows by 2 tokens of it. The sums of both halves are added at last.
#import lib/params
#import quant/$A as a
#import lib/tile_io
#import lib/tile_rows

const SIDE = $SIDE;
const TOKENS = $TOKENS;

alias Four = vec4<f32>;
var<workgroup> weights: array<Four, 16u * SIDE>;     // [half, columns / 4, rows]
var<workgroup> inputs: array<Four, 16u * TOKENS>;    // [half, columns / 4, tokens]

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let blocks = op.planes_a.blocks;
  let half = lane / SIDE;
  let mine = lane % SIDE;
  let half_weights = half * 8u * SIDE;
  let half_inputs = half * 8u * TOKENS;
  let first_row = group.x * SIDE;
  let row_blocks = min(first_row + mine, op.rows - 1u) * blocks;
  // A lane has every eighth row and every fourth token, from these on. It fetches as many columns
  // of those tokens: four, from the fourfold of its first row on.
  let row = mine % 8u;
  let token = mine / 8u;
  let token_blocks = min(vec2<u32>(token, token + 4u), vec2<u32>(params.tokens - 1u)) * blocks;
  var a = vec4<f32>();
  var b = vec4<f32>();
  for (var first = 0u; first < blocks; first += 2u) {
    // Of an odd number of blocks the second half takes the last one too, and nothing of it.
    let block = min(first + half, blocks - 1u);
    let share = select(0.0, 1.0, first + half < blocks);
    workgroupBarrier();
    fetch_weights(row_blocks + block, half_weights + mine);
    let input = half_inputs + row * TOKENS + token;
    inputs[input] = share * x[(token_blocks.x + block) * 8u + row];
    inputs[input + 4u] = share * x[(token_blocks.y + block) * 8u + row];
    workgroupBarrier();
    for (var i = 0u; i < 8u; i++) {
      let w = half_weights + i * SIDE + row;
      let w0 = weights[w];
      let w1 = weights[w + 8u];
      let w2 = weights[w + 16u];
      let w3 = weights[w + 24u];
      let at = half_inputs + i * TOKENS + token;
      a += dots(w0, w1, w2, w3, inputs[at]);
      if (params.tokens > 4u) {
        b += dots(w0, w1, w2, w3, inputs[at + 4u]);
      }
    }
  }
  workgroupBarrier();
  if (half == 1u) {
    weights[mine] = a;
    weights[SIDE + mine] = b;
  }
  workgroupBarrier();
  if (half == 0u) {
    keep_four(token, first_row + row, a + weights[mine]);
    keep_four(token + 4u, first_row + row, b + weights[SIDE + mine]);
  }
}
