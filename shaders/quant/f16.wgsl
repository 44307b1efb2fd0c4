// Two f16 a word.
#import lib/two_a_word as W

fn four_W(words: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
