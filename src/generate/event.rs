//! The events of an answer, under the OpenAI API's names.

use super::sampler::logprobs::TokenLogprob;
use serde::Serialize;

/// What one step brought: progress through the prompt, a piece of text, or the end of the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Event {
    /// The text that can be shown now: whole characters, often none.
    pub text: String,
    /// The reason for the answer's end, set on its last event.
    pub finish_reason: Option<FinishReason>,
    /// The token counts of the answer, set on its last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The log-probability of the event's token, set if the request asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprob: Option<TokenLogprob>,
    /// The progress through the prompt, set until the first token and again after a context shift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Prefill>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended its turn or wrote a stop string.
    Stop,
    /// The answer has `max_tokens` tokens, or the context is full.
    Length,
    /// The caller stopped the answer.
    Abort,
}

/// The token counts of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The tokens of the prompt, cached ones included.
    pub prompt_tokens: usize,
    /// The tokens that the model wrote, including the one that ends its turn.
    pub completion_tokens: usize,
    /// The sum of the prompt's and the completion's tokens.
    pub total_tokens: usize,
    /// The tokens of the prompt that were in the KV cache already and cost nothing.
    pub cached_tokens: usize,
}

/// The progress through a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Prefill {
    /// The tokens that are evaluated, cached ones included.
    pub done_tokens: usize,
    /// The tokens to evaluate in all.
    pub total_tokens: usize,
}
