// Reads a weight's buffer by the number of four words, of one word, or of an f16 behind a word.
#import lib/planes

fn vector_W(i: u32) -> vec4<u32> {
  return weight_W[i];
}

fn word_W(i: u32) -> u32 {
  return weight_W[i >> 2u][i & 3u];
}

fn half_W(at: u32, i: u32) -> f32 {
  let pair = unpack2x16float(word_W(at + (i >> 1u)));
  return select(pair.x, pair.y, (i & 1u) == 1u);
}
