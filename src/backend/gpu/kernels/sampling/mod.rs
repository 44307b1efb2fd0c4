//! Sampling on the device: penalties, filters, the draw, and log-probabilities. `generate::sampler`
//! does the same on the host, and is what tests compare with. `argmax` samples several rows at once,
//! greedily.

pub mod argmax;
pub mod filter_logits;
pub mod logprobs;
pub mod penalties;
pub mod sample;
pub mod top_logprobs;

use crate::backend::gpu::shader::uniform;

/// Slices of the vocabulary, for as many workgroups; `sample` has a quarter of one for each lane.
pub const SLICES: usize = 64;
/// The most log-probabilities that are wanted of one token: OpenAI's limit.
pub const MAX_LOGPROBS: usize = 20;
/// Threads of a workgroup that takes a slice.
const LANES: usize = 64;

uniform! {
    /// How the vocabulary is cut: `shaders/lib/slices.wgsl`.
    pub struct Op {
        /// Tokens of the vocabulary.
        pub vocab: u32,
        /// Tokens of a slice.
        pub slice: u32,
        /// [`SLICES`]
        pub slices: u32,
    }
}

impl Op {
    /// Cuts a vocabulary of so many tokens.
    pub fn new(vocab: usize) -> Self {
        let slice = vocab.div_ceil(SLICES);
        Self {
            vocab: vocab as u32,
            slice: slice as u32,
            slices: SLICES as u32,
        }
    }
}
