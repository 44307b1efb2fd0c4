// Returns bound * tanh(x / bound). Beyond 20 the hyperbolic tangent is 1, and WGSL lets it overflow.
fn bounded(x: f32, bound: f32) -> f32 {
  return bound * tanh(clamp(x / bound, -20.0, 20.0));
}
