//! What a caller learns while an answer is written. Names are the OpenAI API's.

use super::logprobs::TokenLogprob;
use serde::Serialize;

/// The outcome of one call: progress through the prompt, or a piece of text, or the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Event {
    /// What may be shown now: whole characters, often empty.
    pub text: String,
    /// Set on the last event.
    pub finish_reason: Option<FinishReason>,
    /// Set on the last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Of the token at hand, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprob: Option<TokenLogprob>,
    /// Set while more of the prompt must be evaluated before the first token, and again after the context slid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Prefill>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended its turn, or wrote a stop string.
    Stop,
    /// `max_tokens` or the context is used up.
    Length,
    /// The caller asked to stop.
    Abort,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub prompt_tokens: usize,
    /// Tokens that the model wrote, the one that ends its turn included.
    pub completion_tokens: usize,
    pub total_tokens: usize,
    /// Tokens of the prompt that were still in the KV cache and cost nothing.
    pub cached_tokens: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Prefill {
    pub done_tokens: usize,
    pub total_tokens: usize,
}
