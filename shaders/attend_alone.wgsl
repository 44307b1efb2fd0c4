// What attend.wgsl computes, for where a processor plays the graphics card and barriers are dear: each lane has a split of the context of its
// own, for all query heads that share a key-value head, and takes it position by position with an online softmax.
#import shared/step

struct Op {
  heads: u32,
  kv_heads: u32,
  context: u32,           // positions of the cache
  max_splits: u32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> q: array<vec4<f32>>;              // [tokens, heads, head / 4]
#import shared/cache
@group(1) @binding(3) var<storage, read_write> partials: array<f32>;       // [tokens, heads, max_splits, maximum, sum, head]

const HEAD = $HEAD;
const GROUP = $GROUP;     // query heads that share a key-value head
const LANES = $LANES;
const LOWEST = -1e30;

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
  let split = id.y * LANES + lane;
  let token = id.z;
  if (split >= now.splits) {
    return;
  }
  let end = now.position + token + 1u;
  let split_start = min(end, split * now.span);
  let split_end = min(end, split_start + now.span);

  var queries: array<vec4<f32>, GROUP * HEAD / 4u>;
  var sums: array<vec4<f32>, GROUP * HEAD / 4u>;
  var scores: array<vec4<f32>, GROUP>;
  var maxima: array<f32, GROUP>;
  var totals: array<f32, GROUP>;
  let first_query = (token * op.heads + kv_head * GROUP) * (HEAD / 4u);
  for (var i = 0u; i < GROUP * HEAD / 4u; i++) {
    queries[i] = q[first_query + i] * inverseSqrt(f32(HEAD));
    sums[i] = vec4<f32>(0.0);
  }
  for (var h = 0u; h < GROUP; h++) {
    maxima[h] = LOWEST;
    totals[h] = 0.0;
  }

  // Four positions at a time, so that queries and sums are fetched once for all of them. Those behind the end are the last once more, with no weight.
  let last = split_end - min(split_end, 1u);
  for (var position = split_start; position < split_end; position += 4u) {
    let positions = min(vec4<u32>(position) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last));
    let keys = kv_head * op.context + positions;
    let values = keys + op.kv_heads * op.context;
    for (var h = 0u; h < GROUP; h++) {
      scores[h] = vec4<f32>(0.0);
    }
    for (var i = 0u; i < HEAD / 8u; i++) {
      let k = four(keys, i);
      for (var h = 0u; h < GROUP; h++) {
        scores[h] += queries[h * (HEAD / 4u) + 2u * i] * k.low + queries[h * (HEAD / 4u) + 2u * i + 1u] * k.high;
      }
    }
    let within = vec4<u32>(position) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(split_end);
    for (var h = 0u; h < GROUP; h++) {
      let four = select(vec4<f32>(LOWEST), scores[h], within);
      let largest = max(maxima[h], max(max(four.x, four.y), max(four.z, four.w)));
      if (largest > maxima[h]) {
        let rescale = exp(maxima[h] - largest);
        totals[h] *= rescale;
        for (var i = 0u; i < HEAD / 4u; i++) {
          sums[h * (HEAD / 4u) + i] *= rescale;
        }
        maxima[h] = largest;
      }
      scores[h] = exp(four - largest);
      totals[h] += dot(scores[h], vec4<f32>(1.0));
    }
    for (var i = 0u; i < HEAD / 8u; i++) {
      let v = four(values, i);
      for (var h = 0u; h < GROUP; h++) {
        sums[h * (HEAD / 4u) + 2u * i] += v.low * scores[h];
        sums[h * (HEAD / 4u) + 2u * i + 1u] += v.high * scores[h];
      }
    }
  }

  let stride = HEAD + 2u;
  for (var h = 0u; h < GROUP; h++) {
    let out = ((token * op.heads + kv_head * GROUP + h) * op.max_splits + split) * stride;
    partials[out] = maxima[h];
    partials[out + 1u] = totals[h];
    for (var i = 0u; i < HEAD / 4u; i++) {
      let sum = sums[h * (HEAD / 4u) + i];
      partials[out + 2u + 4u * i] = sum.x;
      partials[out + 3u + 4u * i] = sum.y;
      partials[out + 4u + 4u * i] = sum.z;
      partials[out + 5u + 4u * i] = sum.w;
    }
  }
}
