// Blocks of 32 numbers.
#import lib/words as W
#import lib/eight

fn quants_W(block: u32) -> Eight {
  let at = 8u * block;
  return Eight(
    bitcast<vec4<f32>>(vector_W(at)),
    bitcast<vec4<f32>>(vector_W(at + 1u)),
    bitcast<vec4<f32>>(vector_W(at + 2u)),
    bitcast<vec4<f32>>(vector_W(at + 3u)),
    bitcast<vec4<f32>>(vector_W(at + 4u)),
    bitcast<vec4<f32>>(vector_W(at + 5u)),
    bitcast<vec4<f32>>(vector_W(at + 6u)),
    bitcast<vec4<f32>>(vector_W(at + 7u)),
  );
}

fn scales_W(block: u32) -> vec4<f32> {
  return vec4<f32>(1.0, 0.0, 1.0, 0.0);
}
