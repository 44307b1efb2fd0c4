// Quantizes new keys and values for a cache of bytes, as lib/kv_cache reads it. A thread takes a
// block of 32 elements of a head.
#import lib/params
#import lib/largest

struct Op {
  heads: u32,             // of keys and values together
  room: u32,              // positions of the layer's cache
}
@group(1) @binding(0) var<uniform> op: Op;
// [tokens, k | v, kv heads, head_dim / 4]
@group(1) @binding(1) var<storage, read> kv_staging: array<vec4<f32>>;
// [k | v, kv heads, positions, head_dim / 32, 9]
@group(1) @binding(2) var<storage, read_write> cache: array<u32>;

const BLOCKS = $HEAD_DIM / 32u;           // of a head

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let token = id.y;
  if (id.x >= op.heads * BLOCKS) {
    return;
  }
  let first = (token * op.heads * BLOCKS + id.x) * 8u;
  var four = vec4<f32>();
  for (var i = 0u; i < 8u; i++) {
    four = max(four, abs(kv_staging[first + i]));
  }
  let largest = largest_of(four);
  let scale = per_largest(1.0, largest);
  let row = id.x / BLOCKS * op.room + (params.position + token) % op.room;
  let at = (row * BLOCKS + id.x % BLOCKS) * 9u;
  for (var i = 0u; i < 8u; i++) {
    cache[at + i] = pack4x8snorm(kv_staging[first + i] * scale);
  }
  cache[at + 8u] = bitcast<u32>(largest);
}
