const TEXELS = 2048u;     // a row of a texture, each four words

// A weight: planes one behind the other in one buffer, each laid out [rows, blocks of 32 columns], or in a texture
// [strips, blocks of 32 columns, 32 rows].
struct Planes {
  blocks: u32,            // a row
  high_at: u32,           // where each plane begins, in words
  scales_at: u32,
  supers_at: u32,
}
