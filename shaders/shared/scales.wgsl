// The scales and offsets of a block of columns, of four rows.
struct FourScales {
  a: vec4<f32>,
  b: vec4<f32>,
  c: vec4<f32>,
  d: vec4<f32>,
}
