// The vocabulary, cut into slices of equal length for as many workgroups.
struct Op {
  vocab: u32,
  slice: u32,             // tokens of one
  slices: u32,
}
@group(1) @binding(0) var<uniform> op: Op;

const NONE = 0xffffffffu;
const LOWEST = 0x007fffffu;               // order(-infinity)

// A number that orders as the float does.
fn order(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

fn ordered(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}
