// Attends with one token to one split of the context, for all query heads that share a key-value
// head. A split is `params.span` positions, taken in tiles with an online softmax;
// attention/reduce joins the splits. Lanes are positions while the scores are made, and words of
// the head (two elements) while the values are summed.
#import lib/params
#ifdef SOFTCAP
#import lib/bounded
#endif

struct Op {
  heads: u32,
  kv_heads: u32,
  room: u32,              // positions of the layer's cache
  max_splits: u32,
  window: u32,            // the last positions that a token sees
  scale: f32,
  softcap: f32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> q: array<vec4<f32>>;      // [tokens, heads, head_dim / 4]
#import lib/kv_cache
// [tokens, heads, max_splits, 2 + head_dim]: the maximum, the sum of exponentials, and the values
@group(1) @binding(3) var<storage, read_write> partials: array<f32>;

const HEAD_DIM = $HEAD_DIM;
const GQA_GROUP = $GQA_GROUP;             // query heads that share a key-value head
const TILE = $TILE;
const WORDS = HEAD_DIM / 2u;
const PARTS = max(1u, TILE / WORDS);      // lanes that share a word, each with some positions
const TURNS = (WORDS + TILE - 1u) / TILE; // words that a lane takes
const LOWEST = -1e30;                     // below any score

var<workgroup> queries: array<vec4<f32>, GQA_GROUP * HEAD_DIM / 4u>;
var<workgroup> scores: array<f32, GQA_GROUP * TILE>;
var<workgroup> maxima: array<f32, GQA_GROUP>;
var<workgroup> rescale: array<f32, GQA_GROUP>;
var<workgroup> totals: array<f32, GQA_GROUP>;
var<workgroup> parts: array<vec2<f32>, GQA_GROUP * WORDS * (PARTS - 1u) + 1u>;

@compute @workgroup_size($TILE)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let kv_head = id.x;
  let split = id.y;
  let token = id.z;
  let end = params.position + token + 1u;
  let split_end = min(end, (split + 1u) * params.span);
  let split_start = min(split_end, max(split * params.span, end - min(end, op.window)));

  let first_query = (token * op.heads + kv_head * GQA_GROUP) * (HEAD_DIM / 4u);
  for (var i = lane; i < GQA_GROUP * HEAD_DIM / 4u; i += TILE) {
    queries[i] = q[first_query + i] * op.scale;
  }
  if (lane < GQA_GROUP) {
    maxima[lane] = LOWEST;
    totals[lane] = 0.0;
  }
  var sums: array<vec2<f32>, GQA_GROUP * TURNS>;
  var score: array<f32, GQA_GROUP>;
  let keys = kv_head * op.room;
  let values = (op.kv_heads + kv_head) * op.room;
  // How far a position is moved to its place: by another room from `wrap` on.
  let moved = split_start / op.room * op.room;
  let wrap = moved + op.room;
  let word = lane % WORDS;
  let part = lane / WORDS;

  for (var start = split_start; start < split_end; start += TILE) {
    workgroupBarrier();
    for (var h = 0u; h < GQA_GROUP; h++) {
      score[h] = 0.0;
    }
    let position = start + lane;
    if (position < split_end) {
      let place = position - select(moved, wrap, position >= wrap);
      for (var i = 0u; i < HEAD_DIM / 8u; i++) {
        let k = octet(keys + place, i);
        for (var h = 0u; h < GQA_GROUP; h++) {
          let at = h * (HEAD_DIM / 4u) + 2u * i;
          score[h] += dot(queries[at], k.low) + dot(queries[at + 1u], k.high);
        }
      }
    }
#ifdef SOFTCAP
    for (var h = 0u; h < GQA_GROUP; h++) {
      score[h] = bounded(score[h], op.softcap);
    }
#endif
    for (var h = 0u; h < GQA_GROUP; h++) {
      scores[h * TILE + lane] = select(LOWEST, score[h], position < split_end);
    }
    workgroupBarrier();
    if (lane < GQA_GROUP) {
      var largest = maxima[lane];
      for (var i = 0u; i < TILE; i++) {
        largest = max(largest, scores[lane * TILE + i]);
      }
      rescale[lane] = exp(maxima[lane] - largest);
      maxima[lane] = largest;
    }
    workgroupBarrier();
    for (var h = 0u; h < GQA_GROUP; h++) {
      scores[h * TILE + lane] = select(0.0, exp(score[h] - maxima[h]), position < split_end);
    }
    workgroupBarrier();
    if (lane < GQA_GROUP) {
      var total = totals[lane] * rescale[lane];
      for (var i = 0u; i < TILE; i++) {
        total += scores[lane * TILE + i];
      }
      totals[lane] = total;
    }
    let count = min(TILE, split_end - start);
    for (var t = 0u; t < TURNS; t++) {
      let w = min(word + t * TILE, WORDS - 1u);
      for (var h = 0u; h < GQA_GROUP; h++) {
        sums[h * TURNS + t] *= rescale[h];
      }
      for (var i = part; i < count; i += PARTS) {
        let place = start + i - select(moved, wrap, start + i >= wrap);
        let v = pair_of(values + place, w);
        for (var h = 0u; h < GQA_GROUP; h++) {
          sums[h * TURNS + t] += scores[h * TILE + i] * v;
        }
      }
    }
  }

  if (part > 0u && part < PARTS) {
    for (var h = 0u; h < GQA_GROUP; h++) {
      parts[((part - 1u) * GQA_GROUP + h) * WORDS + word] = sums[h * TURNS];
    }
  }
  workgroupBarrier();
  let stride = HEAD_DIM + 2u;
  let out = ((token * op.heads + kv_head * GQA_GROUP) * op.max_splits + split) * stride;
  if (lane < GQA_GROUP) {
    partials[out + lane * op.max_splits * stride] = maxima[lane];
    partials[out + lane * op.max_splits * stride + 1u] = totals[lane];
  }
  if (part > 0u) {
    return;
  }
  for (var t = 0u; t < TURNS; t++) {
    let w = word + t * TILE;
    for (var h = 0u; h < GQA_GROUP && w < WORDS; h++) {
      var sum = sums[h * TURNS + t];
      for (var p = 1u; p < PARTS; p++) {
        sum += parts[((p - 1u) * GQA_GROUP + h) * WORDS + w];
      }
      let at = out + h * op.max_splits * stride + 2u + 2u * w;
      partials[at] = sum.x;
      partials[at + 1u] = sum.y;
    }
  }
}
