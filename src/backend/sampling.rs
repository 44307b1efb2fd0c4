//! Sampling chooses the next token: on the host from logits, or on a device by the parameters here.

use crate::Result;

/// Holds the parameters by which logits are changed and filtered before a token is drawn;
/// `generate::sampler` has the formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingParams {
    /// Holds the divisor of positive logits, and factor of negative ones, of tokens that were seen;
    /// 1 changes nothing.
    pub repetition_penalty: f32,
    /// Holds what is subtracted from a token's logit for each time it stands in the answer.
    pub frequency_penalty: f32,
    /// Holds what is subtracted from the logit of a token that stands in the answer.
    pub presence_penalty: f32,
    /// Holds the divisor of logits; at 0 the likeliest token is sampled.
    pub temperature: f32,
    /// Only this number of the likeliest tokens may be sampled; 0 is all.
    pub top_k: u32,
    /// Only the likeliest tokens may be sampled that together reach this probability.
    pub top_p: f32,
    /// Only tokens may be sampled that have this share of the likeliest one's probability.
    pub min_p: f32,
}

impl SamplingParams {
    /// These parameters always give the likeliest token.
    pub const GREEDY: Self = Self {
        repetition_penalty: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
    };

    /// Returns whether some penalty changes logits.
    pub fn penalize(&self) -> bool {
        (
            self.repetition_penalty,
            self.frequency_penalty,
            self.presence_penalty,
        ) != (1.0, 0.0, 0.0)
    }
}

/// Holds a token that a device chose.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledToken {
    /// Holds the token's id.
    pub token: u32,
    /// Holds the log probabilities, if [`TokenSampler::top_logprobs`] asks for them.
    pub logprobs: Option<Logprobs>,
}

/// Holds log probabilities: natural logarithms, before penalties, temperature and filters.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprobs {
    /// Holds the log probability of the token that was sampled.
    pub sampled: f32,
    /// Holds the likeliest tokens with their log probabilities, the likeliest first.
    pub top: Vec<(u32, f32)>,
}

/// Holds a set of tokens that may be sampled, in `vocab / 32` words, rounded up: bit i of word j is
/// for token 32 j + i.
pub type Mask = Vec<u32>;

/// Chooses tokens one after another.
///
/// A device asks it for parameters, penalties and random numbers, and does with them what
/// [`TokenSampler::sample`] does on the host, but for rounding.
pub trait TokenSampler {
    /// Chooses the token that follows, given `logits` `[vocab]`, which are used as scratch memory.
    ///
    /// # Errors
    /// `not_finite` when a logit is NaN or infinity.
    fn sample(&mut self, logits: &mut [f32]) -> Result<u32>;
    /// Returns the parameters.
    fn params(&self) -> SamplingParams;
    /// Iterates over the tokens that penalties touch, with the number of times that each stands in
    /// the answer: 0 for a token that only the prompt has.
    fn counts(&self) -> impl Iterator<Item = (u32, u32)>;
    /// Iterates over tokens and what is added to the logit of each.
    fn logit_bias(&self) -> impl Iterator<Item = (u32, f32)>;
    /// Returns whether the mask changes from token to token, so that no step may run ahead.
    fn is_constrained(&self) -> bool {
        false
    }
    /// Computes the mask of the next token, where it changes. It is called while the device
    /// computes the logits.
    ///
    /// # Errors
    /// `invalid_argument` when there is none.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }
    /// Returns the only tokens that may be sampled; `None` for all.
    fn mask(&self) -> Option<&Mask>;
    /// Returns the number of likeliest tokens, at most 20, that [`Logprobs`] list; `None` where
    /// they are not wanted.
    fn top_logprobs(&self) -> Option<u32>;
    /// Returns whether the likeliest token is always taken as the model's logits have it, and no log
    /// probabilities are wanted.
    fn takes_likeliest(&self) -> bool {
        self.params().temperature == 0.0
            && !self.params().penalize()
            && self.logit_bias().next().is_none()
            && self.mask().is_none()
            && !self.is_constrained()
            && self.top_logprobs().is_none()
    }
    /// Returns the number, uniform in 0 .. 1, that decides the next token (`ahead` 0) or one after
    /// it.
    fn draw(&self, ahead: usize) -> f32;
    /// Takes note of a token that a device chose.
    fn accept(&mut self, sampled: SampledToken);
    /// Returns the number of tokens that may be wanted after the next.
    fn more(&self) -> usize;
}
