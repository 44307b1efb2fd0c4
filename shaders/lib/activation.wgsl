// The activations of feed-forward networks.

#ifdef GELU
// Returns x * sigmoid(y), which is the usual approximation of GELU. e to the 80th is far from
// overflowing, and 1 is nothing beside it.
fn activation(x: f32) -> f32 {
  let y = x * (1.5957691 + 0.07135482 * x * x);
  return x / (1.0 + exp(min(-y, 80.0)));
}
#else
// Returns x * sigmoid(x).
fn activation(x: f32) -> f32 {
  return x / (1.0 + exp(-x));
}
#endif
