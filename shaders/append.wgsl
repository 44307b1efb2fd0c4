// New keys and values go to a cache of bytes, as shared/cache.wgsl reads it. One thread takes 32 elements of a head.
#import shared/step

struct Op {
  heads: u32,             // of keys and values together
  context: u32,           // positions of the cache
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read> fresh: array<vec4<f32>>;          // [tokens, k | v, kv heads, head / 4]
@group(1) @binding(2) var<storage, read_write> cache: array<u32>;          // [k | v, kv heads, positions, head / 32, 9]

const BLOCKS = $HEAD / 32u;               // of a head

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let token = id.y;
  if (id.x >= op.heads * BLOCKS) {
    return;
  }
  let first = (token * op.heads * BLOCKS + id.x) * 8u;
  var four = vec4<f32>();
  for (var i = 0u; i < 8u; i++) {
    four = max(four, abs(fresh[first + i]));
  }
  let largest = max(max(four.x, four.y), max(four.z, four.w));
  let share = select(0.0, 1.0 / largest, largest > 1e-30);
  let row = id.x / BLOCKS * op.context + now.position + token;
  let at = (row * BLOCKS + id.x % BLOCKS) * 9u;
  for (var i = 0u; i < 8u; i++) {
    cache[at + i] = pack4x8snorm(fresh[first + i] * share);
  }
  cache[at + 8u] = bitcast<u32>(largest);
}
