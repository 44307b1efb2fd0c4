//! The options of an answer.

use super::sampler::SamplingOptions;
use serde::Deserialize;

/// What to write, and when to end.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// The tokens of the prompt.
    pub prompt: Vec<u32>,
    /// The largest number of tokens in the answer. `None` leaves the context as its only limit.
    pub max_tokens: Option<usize>,
    /// How tokens are sampled.
    pub sampling: SamplingOptions,
    /// The strings that end the answer and are no part of it.
    pub stop: Vec<String>,
    /// What to do when prompt and answer outgrow the context.
    pub context_overflow: ContextOverflow,
    /// The number of tokens at the beginning of the prompt that a context shift keeps (llama.cpp's
    /// `n_keep`): those of the system message, for example.
    pub keep_tokens: usize,
}

/// What to do when prompt and answer outgrow the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextOverflow {
    /// A prompt that does not fit is an error, and an answer that does not fit ends with `length`.
    #[default]
    Error,
    /// The older half of the conversation is dropped (llama.cpp's context shift), and the answer
    /// continues.
    Slide,
}
