// The biases of products, which lie in `vectors`. `at` counts in vec4.
const NONE = 0xffffffffu;                    // no bias

fn bias(at: u32, row: u32) -> f32 {
  if (at == NONE) {
    return 0.0;
  }
  return vectors[at + row / 4u][row % 4u];
}

fn bias_pair(at: u32, rows: vec2<u32>) -> vec2<f32> {
  return vec2<f32>(bias(at, rows.x), bias(at, rows.y));
}
