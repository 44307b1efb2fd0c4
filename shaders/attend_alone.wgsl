// What attend.wgsl computes, for where a processor plays the graphics card: a workgroup is as wide as its vectors, loads are dear unless
// they are of constants, and arrays are too where a lane looks them up by a number that is only known then.
// A context in one split needs no combine.wgsl behind it.
// Lanes are four positions each while the scores are made, and eight elements of the head while the values are summed.
#import shared/step
#import shared/constants

struct Op {
  heads: u32,
  kv_heads: u32,
  context: u32,           // positions of the cache
  max_splits: u32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<uniform> q: array<vec4<f32>, CONSTANTS>;         // [tokens, heads, head / 4]
#import shared/cache
@group(1) @binding(3) var<storage, read_write> partials: array<f32>;       // [tokens, heads, max_splits, maximum, sum, head]
@group(1) @binding(4) var<storage, read_write> out: array<f32>;            // [tokens, heads, head]

const HEAD = $HEAD;
const GROUP = $GROUP;     // query heads that share a key-value head
const LANES = $LANES;     // HEAD / 8 or more
const FOURS = (GROUP + 3u) / 4u;          // of those, four by four
const LOWEST = -1e30;

var<workgroup> weights: array<vec4<f32>, GROUP * LANES>;                   // [GROUP, positions / 4]
var<workgroup> tops: array<vec4<f32>, FOURS * LANES>;                      // the largest of each lane's scores: [GROUP / 4, LANES]

// Eight elements of each of four positions, a column each.
struct Four {
  low: mat4x4<f32>,
  high: mat4x4<f32>,
}

fn four(rows: vec4<u32>, i: u32) -> Four {
  let a = octet(rows.x, i);
  let b = octet(rows.y, i);
  let c = octet(rows.z, i);
  let d = octet(rows.w, i);
  return Four(mat4x4<f32>(a.low, b.low, c.low, d.low), mat4x4<f32>(a.high, b.high, c.high, d.high));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let kv_head = id.x;
  let split = id.y;
  let token = id.z;
  let end = now.position + token + 1u;
  let split_start = min(end, split * now.span);
  let split_end = min(end, split_start + now.span);
  let last = max(split_end, 1u) - 1u;
  let keys = kv_head * op.context;
  let values = keys + op.kv_heads * op.context;
  let first_query = (token * op.heads + kv_head * GROUP) * (HEAD / 4u);
  let part = min(lane, HEAD / 8u - 1u);

  var low: array<vec4<f32>, GROUP>;
  var high: array<vec4<f32>, GROUP>;
  var maxima: array<vec4<f32>, FOURS>;                                     // [GROUP]
  var top: array<vec4<f32>, FOURS>;
  var totals: array<f32, GROUP>;
  var score: array<vec4<f32>, GROUP>;
  for (var f = 0u; f < FOURS; f++) {
    maxima[f] = vec4<f32>(LOWEST);
  }

  for (var start = split_start; start < split_end; start += 4u * LANES) {
    // Those behind the end are the last once more, with no weight.
    let positions = vec4<u32>(start + 4u * lane) + vec4<u32>(0u, 1u, 2u, 3u);
    let rows = keys + min(positions, vec4<u32>(last));
    for (var h = 0u; h < GROUP; h++) {
      score[h] = vec4<f32>(0.0);
    }
    for (var i = 0u; i < HEAD / 8u; i++) {
      let k = four(rows, i);
      for (var h = 0u; h < GROUP; h++) {
        let at = first_query + h * (HEAD / 4u) + 2u * i;
        score[h] += q[at] * k.low + q[at + 1u] * k.high;
      }
    }
    for (var h = 0u; h < GROUP; h++) {
      let s = select(vec4<f32>(LOWEST), score[h] * inverseSqrt(f32(HEAD)), positions < vec4<u32>(split_end));
      score[h] = s;
      top[h / 4u][h % 4u] = max(max(s.x, s.y), max(s.z, s.w));
    }
    for (var f = 0u; f < FOURS; f++) {
      tops[f * LANES + lane] = top[f];
      top[f] = maxima[f];
    }
    workgroupBarrier();

    let fours = min(LANES, (split_end - start + 3u) / 4u);
    for (var i = 0u; i < fours; i++) {
      for (var f = 0u; f < FOURS; f++) {
        top[f] = max(top[f], tops[f * LANES + i]);
      }
    }
    for (var h = 0u; h < GROUP; h++) {
      let largest = top[h / 4u][h % 4u];
      let rescale = exp(maxima[h / 4u][h % 4u] - largest);
      totals[h] *= rescale;
      low[h] *= rescale;
      high[h] *= rescale;
      weights[h * LANES + lane] = exp(score[h] - largest);
    }
    for (var f = 0u; f < FOURS; f++) {
      maxima[f] = top[f];
    }
    workgroupBarrier();

    for (var i = 0u; i < fours; i++) {
      let v = four(values + min(vec4<u32>(start + 4u * i) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last)), part);
      for (var h = 0u; h < GROUP; h++) {
        let w = weights[h * LANES + i];
        totals[h] += dot(w, vec4<f32>(1.0));
        low[h] += v.low * w;
        high[h] += v.high * w;
      }
    }
  }

  if (lane > part) {
    return;
  }
  for (var h = 0u; h < GROUP; h++) {
    let row = token * op.heads + kv_head * GROUP + h;
    let first = (row * op.max_splits + split) * (HEAD + 2u);
    if (lane == 0u) {
      partials[first] = maxima[h / 4u][h % 4u];
      partials[first + 1u] = totals[h];
    }
    for (var i = 0u; i < 4u; i++) {
      if (now.splits == 1u) {
        out[row * HEAD + 8u * lane + i] = low[h][i] / totals[h];
        out[row * HEAD + 8u * lane + 4u + i] = high[h][i] / totals[h];
      } else {
        partials[first + 2u + 8u * lane + i] = low[h][i];
        partials[first + 6u + 8u * lane + i] = high[h][i];
      }
    }
  }
}
