// The vocabulary, cut into slices of equal length for as many workgroups.

struct Op {
  vocab: u32,             // tokens of the vocabulary
  slice: u32,             // tokens of a slice
  slices: u32,
}
@group(1) @binding(0) var<uniform> op: Op;

const NONE = 0xffffffffu;                    // no token
const LOWEST = 0x007fffffu;                  // order(-infinity)
const BROKEN = vec2<u32>(0xffffffffu, NONE); // the candidate that precedes all others

// Returns a number that orders as the float does.
fn order(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// Returns the float of such a number.
fn ordered(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}
