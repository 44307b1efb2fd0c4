//! Defines the options of an answer.

use super::sampler::SamplingOptions;
use crate::grammar::Constraint;
use serde::Deserialize;

/// Tells a generator what to write, and when to end.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// Holds the tokens of the prompt.
    pub prompt: Vec<u32>,
    /// Limits the number of tokens in the answer. `None` leaves the context as its only limit.
    pub max_tokens: Option<usize>,
    /// Sets how tokens are sampled.
    pub sampling: SamplingOptions,
    /// Lists the strings that end the answer and are no part of it.
    pub stop: Vec<String>,
    /// Sets what happens when prompt and answer outgrow the context.
    pub context_overflow: ContextOverflow,
    /// Sets how many tokens at the beginning of the prompt a context shift keeps (llama.cpp's
    /// `n_keep`): those of the system message, for example.
    pub keep_tokens: usize,
    /// Lists control tokens whose names are a part of the text, such as those around a call.
    pub visible_tokens: Vec<u32>,
    /// Holds the answer to a form.
    pub constraint: Option<Constraint>,
    /// Limits the number of tokens that are guessed and then checked in one step (llama.cpp's
    /// `draft-max`); 0 guesses none, `None` as many as pay. The text is the same.
    pub draft_max: Option<usize>,
}

/// Sets what happens when prompt and answer outgrow the context.
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
