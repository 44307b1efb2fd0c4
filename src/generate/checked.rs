//! Says what follows a token of a draft.

use super::sampler::Sampler;
use crate::{
    Result,
    backend::sampling::{SampledToken, TokenSampler},
};

/// Says what follows a token of a draft.
#[derive(Debug)]
pub enum Checked<'a> {
    /// Holds the logits after it, `[vocab]`, where the host samples.
    Logits(&'a mut [f32]),
    /// Holds the likeliest token after it, which the device has found.
    Likeliest(u32),
}

impl Checked<'_> {
    /// Returns the token that `sampler` takes.
    ///
    /// # Errors
    ///
    /// `not_finite` when a logit is NaN or infinity.
    pub(super) fn sample(self, sampler: &mut Sampler) -> Result<u32> {
        match self {
            Self::Logits(logits) => sampler.sample(logits),
            Self::Likeliest(token) => {
                sampler.accept(SampledToken {
                    token,
                    logprobs: None,
                });
                Ok(token)
            }
        }
    }
}
