// The numbers of a block of 32 columns, four by four. This is no array, which compilers keep in
// memory.
struct Eight {
  a: vec4<f32>,
  b: vec4<f32>,
  c: vec4<f32>,
  d: vec4<f32>,
  e: vec4<f32>,
  f: vec4<f32>,
  g: vec4<f32>,
  h: vec4<f32>,
}
