// What lies in a weight, by its number: four words, one, half of one. With TEXTURES the weight is a texture, four words a texel, and lies in
// strips of 32 rows: of each block of columns the strip's rows, one behind the other.
#import shared/planes
#import shared/scales

fn vector_W(i: u32) -> vec4<u32> {
#ifdef TEXTURES
  return textureLoad(buf_W, vec2<u32>(i % TEXELS, i / TEXELS));
#else
  return buf_W[i];
#endif
}

fn word_W(i: u32) -> u32 {
#ifdef TEXTURES
  return vector_W(i >> 2u)[i & 3u];
#else
  return buf_W[i >> 2u][i & 3u];
#endif
}

fn half_W(at: u32, i: u32) -> f32 {
  let pair = unpack2x16float(word_W(at + (i >> 1u)));
  return select(pair.x, pair.y, (i & 1u) == 1u);
}

// The numbers of a block of four rows.
fn numbers_W(rows: vec4<u32>, block: u32) -> vec4<u32> {
#ifdef TEXTURES
  return (rows >> vec4<u32>(5u)) * (op.planes_W.blocks * 32u) + (rows & vec4<u32>(31u)) + block * 32u;
#else
  return rows * op.planes_W.blocks + block;
#endif
}

// The number of a block's superblock.
fn super_W(block: u32) -> u32 {
#ifdef TEXTURES
  return ((block >> 8u) << 5u) | (block & 31u);
#else
  return block >> 3u;
#endif
}
#ifdef TEXTURES

// Halves of words, of four rows that stand side by side: i is a multiple of four.
fn half_words_W(at: u32, i: u32) -> vec2<u32> {
  let words = vector_W((at + (i >> 1u)) >> 2u);
  return select(words.xy, words.zw, (i & 4u) == 4u);
}

fn four_halves_W(at: u32, i: u32) -> vec4<f32> {
  let words = half_words_W(at, i);
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
#endif
