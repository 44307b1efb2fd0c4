// Two bfloat16 a word, which are the high halves of f32.
#import lib/two_a_word as W

fn four_W(words: vec2<u32>) -> vec4<f32> {
  let low = bitcast<vec2<f32>>(words << vec2<u32>(16u));
  let high = bitcast<vec2<f32>>(words & vec2<u32>(0xffff0000u));
  return vec4<f32>(low.x, high.x, low.y, high.y);
}
