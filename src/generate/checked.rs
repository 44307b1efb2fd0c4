//! Holds what follows each token of a draft that was checked.

use super::sampler::Sampler;
use crate::{
    Result,
    backend::sampling::{SampledToken, TokenSampler},
};

/// Holds the logits after each token, or the tokens that a device found by them.
#[derive(Debug, Default)]
pub struct Checked {
    /// Holds the logits, `[tokens, vocab]`, where the host samples.
    pub logits: Vec<f32>,
    /// Holds the likeliest token after each, where the device finds it; else it is empty.
    pub likeliest: Vec<u32>,
}

impl Checked {
    /// Returns the token that follows token `i`, which `sampler` takes of `vocab_size`.
    ///
    /// # Errors
    ///
    /// `not_finite` when a logit is NaN or infinity.
    pub(super) fn sample(
        &mut self,
        i: usize,
        vocab_size: usize,
        sampler: &mut Sampler,
    ) -> Result<u32> {
        let Some(&token) = self.likeliest.get(i) else {
            return sampler.sample(&mut self.logits[i * vocab_size..][..vocab_size]);
        };
        sampler.accept(SampledToken {
            token,
            logprobs: None,
        });
        Ok(token)
    }
}
