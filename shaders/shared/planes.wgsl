// A weight is planes one behind the other in one buffer, each laid out [rows, blocks of 32 columns].
struct Planes {
  blocks: u32,            // a row
  high_at: u32,           // where each plane begins, in words
  scales_at: u32,
  supers_at: u32,
}
