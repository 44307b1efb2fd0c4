//! From logits to text: sampling, stopping, streaming.

mod host;
pub mod rng;
pub mod sampler;
