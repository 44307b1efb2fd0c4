// A weight is planes one behind the other in one buffer, each laid out [rows, blocks of 32
// columns].
struct Planes {
  blocks: u32,            // of a row
  high_at: u32,           // where the plane of high bits begins, in words
  scales_at: u32,         // where the scales begin
  super_scales_at: u32,   // where the scales of scales begin; or the bits of a factor
}
