// Attends with many tokens, in tiles of SIDE queries by SIDE positions with an online softmax. The
// queries of a tile are those of all heads that share a key-value head, token after token, so that
// keys and values are fetched once for all of them.
#import lib/params
#ifdef SOFTCAP
#import lib/bounded
#endif

struct Op {
  heads: u32,
  kv_heads: u32,
  room: u32,              // positions of the layer's cache
  max_splits: u32,        // not used here
  window: u32,            // the last positions that a token sees
  scale: f32,
  softcap: f32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> q: array<vec4<f32>>;      // [tokens, heads, head_dim / 4]
#import lib/kv_cache
// [tokens, heads, head_dim / 4]
@group(1) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

const HEAD_DIM = $HEAD_DIM;       // a multiple of 64
const GQA_GROUP = $GQA_GROUP;     // query heads that share a key-value head
const SIDE = $SIDE;       // queries of a tile, and positions
const LOWEST = -1e30;     // below any score
const PARTS = HEAD_DIM / 64u;             // of a head: a lane has 8 elements of each

var<workgroup> queries: array<vec4<f32>, 256>;  // [elements / 4, queries]
var<workgroup> keys: array<vec4<f32>, 256>;     // [elements / 4, positions]
var<workgroup> scores: array<f32, 1024>;        // [positions, queries]
var<workgroup> maxima: array<f32, SIDE>;
var<workgroup> totals: array<f32, SIDE>;
var<workgroup> rescale: array<f32, SIDE>;

// Returns where a query stands in q and out.
fn query_at(query: u32, kv_head: u32) -> u32 {
  return (query / GQA_GROUP * op.heads + kv_head * GQA_GROUP + query % GQA_GROUP) * (HEAD_DIM / 4u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let kv_head = id.x;
  let first_query = id.y * SIDE;
  let last_query = params.tokens * GQA_GROUP - 1u;
  let end = params.position + min(first_query + SIDE - 1u, last_query) / GQA_GROUP + 1u;
  let key_rows = kv_head * op.room;
  let value_rows = (op.kv_heads + kv_head) * op.room;

  let mine = lane % SIDE;
  let my_query = min(first_query + mine, last_query);
  let my_q = query_at(my_query, kv_head);
  let my_end = params.position + my_query / GQA_GROUP + 1u;
  let my_start = my_end - min(my_end, op.window);
  // The first position that any query of the tile sees, at a multiple of SIDE.
  let first_end = params.position + first_query / GQA_GROUP + 1u;
  let tiles_start = (first_end - min(first_end, op.window)) / SIDE * SIDE;
  // A lane has the scores of positions row, row + 8 ... and queries column, column + 8 ...
  let row = lane % 8u;
  let column = lane / 8u;
  // It has the sums of queries 4 column .. 4 column + 4, and of elements 8 row .. 8 row + 8 of each
  // part.
  var sums: array<vec4<f32>, 8u * PARTS>;
  if (lane < SIDE) {
    maxima[lane] = LOWEST;
    totals[lane] = 0.0;
  }

  for (var start = tiles_start; start < end; start += SIDE) {
    // A tile lies side by side, for the room of fewer positions than the context's is a multiple.
    let place = start % op.room;
    var a = vec4<f32>();
    var b = vec4<f32>();
    var c = vec4<f32>();
    var d = vec4<f32>();
    for (var part = 0u; part < HEAD_DIM / 32u; part++) {
      workgroupBarrier();
      if (lane < SIDE) {
        for (var i = 0u; i < 8u; i++) {
          queries[i * SIDE + mine] = q[my_q + part * 8u + i] * op.scale;
        }
      } else {
        let key_row = key_rows + place + min(mine, end - 1u - start);
        for (var i = 0u; i < 4u; i++) {
          let k = octet(key_row, part * 4u + i);
          keys[2u * i * SIDE + mine] = k.low;
          keys[(2u * i + 1u) * SIDE + mine] = k.high;
        }
      }
      workgroupBarrier();
      for (var i = 0u; i < 8u * SIDE; i += SIDE) {
        let k0 = keys[i + row];
        let k1 = keys[i + row + 8u];
        let k2 = keys[i + row + 16u];
        let k3 = keys[i + row + 24u];
        let q0 = queries[i + column];
        let q1 = queries[i + column + 8u];
        let q2 = queries[i + column + 16u];
        let q3 = queries[i + column + 24u];
        a += vec4<f32>(dot(k0, q0), dot(k0, q1), dot(k0, q2), dot(k0, q3));
        b += vec4<f32>(dot(k1, q0), dot(k1, q1), dot(k1, q2), dot(k1, q3));
        c += vec4<f32>(dot(k2, q0), dot(k2, q1), dot(k2, q2), dot(k2, q3));
        d += vec4<f32>(dot(k3, q0), dot(k3, q1), dot(k3, q2), dot(k3, q3));
      }
    }
#ifdef SOFTCAP
    for (var i = 0u; i < 4u; i++) {
      a[i] = bounded(a[i], op.softcap);
      b[i] = bounded(b[i], op.softcap);
      c[i] = bounded(c[i], op.softcap);
      d[i] = bounded(d[i], op.softcap);
    }
#endif
    for (var i = 0u; i < 4u; i++) {
      let at = row * SIDE + column + 8u * i;
      scores[at] = a[i];
      scores[at + 8u * SIDE] = b[i];
      scores[at + 16u * SIDE] = c[i];
      scores[at + 24u * SIDE] = d[i];
    }
    workgroupBarrier();
    if (lane < SIDE) {
      let count = min(SIDE, select(0u, my_end - start, my_end > start));
      let first = select(0u, min(count, my_start - start), my_start > start);
      var largest = maxima[lane];
      for (var i = first; i < count; i++) {
        largest = max(largest, scores[i * SIDE + lane]);
      }
      let factor = exp(maxima[lane] - largest);
      var total = totals[lane] * factor;
      for (var i = 0u; i < SIDE; i++) {
        let weight = select(0.0, exp(scores[i * SIDE + lane] - largest), i >= first && i < count);
        scores[i * SIDE + lane] = weight;
        total += weight;
      }
      maxima[lane] = largest;
      totals[lane] = total;
      rescale[lane] = factor;
    }
    workgroupBarrier();
    for (var i = 0u; i < 4u; i++) {
      let factor = rescale[4u * column + i];
      for (var j = 0u; j < 2u * PARTS; j++) {
        sums[2u * PARTS * i + j] *= factor;
      }
    }
    let count = min(SIDE, end - start);
    for (var p = 0u; p < count; p++) {
      let at = p * SIDE + 4u * column;
      let weights = vec4<f32>(scores[at], scores[at + 1u], scores[at + 2u], scores[at + 3u]);
      for (var part = 0u; part < PARTS; part++) {
        let v = octet(value_rows + place + p, 8u * part + row);
        let j = 2u * part;
        sums[j] += weights.x * v.low;
        sums[j + 1u] += weights.x * v.high;
        sums[2u * PARTS + j] += weights.y * v.low;
        sums[2u * PARTS + j + 1u] += weights.y * v.high;
        sums[4u * PARTS + j] += weights.z * v.low;
        sums[4u * PARTS + j + 1u] += weights.z * v.high;
        sums[6u * PARTS + j] += weights.w * v.low;
        sums[6u * PARTS + j + 1u] += weights.w * v.high;
      }
    }
  }

  for (var i = 0u; i < 4u; i++) {
    let query = first_query + 4u * column + i;
    if (query <= last_query) {
      let at = query_at(query, kv_head) + 2u * row;
      let scale = 1.0 / totals[4u * column + i];
      for (var part = 0u; part < PARTS; part++) {
        out[at + 16u * part] = sums[2u * (PARTS * i + part)] * scale;
        out[at + 16u * part + 1u] = sums[2u * (PARTS * i + part) + 1u] * scale;
      }
    }
  }
}
