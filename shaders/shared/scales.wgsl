// The scales and offsets of a block, of four rows that stand side by side.
struct FourScales {
  a: vec4<f32>,
  b: vec4<f32>,
  c: vec4<f32>,
  d: vec4<f32>,
}
