//! Defines the events of an answer, under the OpenAI API's names.

use super::sampler::logprobs::TokenLogprob;
use serde::Serialize;

/// Tells what one step brought: progress through the prompt, a piece of text, or the end of the
/// answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Event {
    /// Holds the text that can be shown now: whole characters, often none.
    pub text: String,
    /// Tells why the answer ended. Only the last event has it.
    pub finish_reason: Option<FinishReason>,
    /// Counts the tokens of the answer. Only the last event has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Counts the tokens that were drafted, if any were. Only the last event has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drafts: Option<Drafts>,
    /// Holds the log-probability of the event's token, if the request asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprob: Option<TokenLogprob>,
    /// Holds a part of the model's thoughts, which are no part of the answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning_content: String,
    /// Holds the calls of tools that are complete with this event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallDelta>,
    /// Holds the probability of each label, where the request gives a choice. Only the last event
    /// has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Vec<ChoiceProbability>>,
    /// Tells the progress through the prompt, until the first token and again after a context
    /// shift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Prefill>,
}

/// Holds a call of a tool, whole, in the shape of OpenAI's streams.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolCallDelta {
    /// Counts the calls of the answer before it.
    pub index: usize,
    /// Names the call, for the message that answers it.
    pub id: String,
    /// Is always "function".
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Holds what is called.
    pub function: FunctionCall,
}

/// Holds what a model calls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionCall {
    /// Holds the tool's name.
    pub name: String,
    /// Holds the arguments: an object in JSON.
    pub arguments: String,
}

/// Tells how likely the model finds a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChoiceProbability {
    /// Holds the label, as the request has it.
    pub label: String,
    /// Holds the probability among the labels, which sums to 1 over them.
    pub probability: f64,
    /// Holds the natural logarithm of the product of the tokens' probabilities, by the model alone.
    pub logprob: f64,
}

/// Tells why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended its turn or wrote a stop string.
    Stop,
    /// The answer has `max_tokens` tokens, or the context is full.
    Length,
    /// The model calls tools.
    #[serde(rename = "tool_calls")]
    ToolCalls,
    /// The caller stopped the answer.
    Abort,
}

/// Counts the tokens of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Counts the tokens of the prompt, including cached ones.
    pub prompt_tokens: usize,
    /// Counts the tokens that the model wrote, including the one that ends its turn.
    pub completion_tokens: usize,
    /// Counts the tokens of prompt and completion.
    pub total_tokens: usize,
    /// Counts the tokens of the prompt that were in the KV cache already and cost nothing.
    pub cached_tokens: usize,
}

/// Counts the tokens that were guessed and then checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drafts {
    /// Counts those that were checked.
    pub tokens: usize,
    /// Counts those of them that were right.
    pub accepted_tokens: usize,
}

/// Tells the progress through a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Prefill {
    /// Counts the tokens that are evaluated, including cached ones.
    pub done_tokens: usize,
    /// Counts the tokens to evaluate in all.
    pub total_tokens: usize,
}
