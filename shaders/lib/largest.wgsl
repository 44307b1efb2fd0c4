// Quantizing: the largest of some numbers, and what scales them to 1.

fn largest_of(v: vec4<f32>) -> f32 {
  return max(max(v.x, v.y), max(v.z, v.w));
}

// Returns numerator / largest; 0 where the numbers are so small that the quotient would overflow.
fn per_largest(numerator: f32, largest: f32) -> f32 {
  return select(0.0, numerator / largest, largest > 1e-30);
}
