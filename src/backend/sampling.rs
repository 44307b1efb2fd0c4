//! Choosing the next token: on the host from logits, or on a device by these numbers.

use crate::Result;

/// What is done to logits before one of them is drawn; `generate::sampler` says what each means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingParams {
    pub repetition_penalty: f32,
    pub frequency_penalty: f32,
    pub presence_penalty: f32,
    pub temperature: f32,
    pub top_k: u32,
    pub top_p: f32,
    pub min_p: f32,
}

impl SamplingParams {
    /// The likeliest token.
    pub const GREEDY: Self = Self {
        repetition_penalty: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
    };

    /// Whether what was said before changes logits.
    pub fn penalize(&self) -> bool {
        (
            self.repetition_penalty,
            self.frequency_penalty,
            self.presence_penalty,
        ) != (1.0, 0.0, 0.0)
    }
}

/// A token that a device chose.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledToken {
    pub token: u32,
    /// If [`TokenSampler::top_logprobs`] asks for it.
    pub logprobs: Option<Logprobs>,
}

/// Natural logarithms of probabilities, before penalties, temperature and filters.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprobs {
    /// That of the token that was chosen.
    pub chosen: f32,
    /// The likeliest tokens, likeliest first.
    pub top: Vec<(u32, f32)>,
}

/// Tokens that may be chosen, `[vocab / 32]`, rounded up: bit i of word j is for token 32 j + i.
pub type Mask = Vec<u32>;

/// Whoever chooses tokens, one after another. What a device does by all the other methods is what [`TokenSampler::choose`] does, but for rounding.
pub trait TokenSampler {
    /// The token that follows, given `logits` `[vocab]`, which are used as scratch. Errors: `not_finite`.
    fn choose(&mut self, logits: &mut [f32]) -> Result<u32>;
    fn filters(&self) -> SamplingParams;
    /// Tokens that penalties touch, and how often each stands in the answer: 0 for one that only the prompt has.
    fn counts(&self) -> impl Iterator<Item = (u32, u32)>;
    /// What is added to a token's logit.
    fn logit_bias(&self) -> impl Iterator<Item = (u32, f32)>;
    /// Only these tokens may be chosen, from first to last; none: all.
    fn mask(&self) -> Option<&Mask>;
    /// Whether [`Logprobs`] are wanted, and of how many of the likeliest tokens, 20 at most.
    fn top_logprobs(&self) -> Option<u32>;
    /// The number, uniform in 0 .. 1, that decides the next token (`ahead` 0) or one after it.
    fn draw(&self, ahead: usize) -> f32;
    /// Takes note of a token that a device chose.
    fn accept(&mut self, chosen: SampledToken);
    /// How many more tokens may be wanted after the next.
    fn more(&self) -> usize;
}
