//! Computes the log-probabilities of a token and of its alternatives, in the OpenAI API's shape.

use super::candidates::{Candidate, top_k};
use crate::{
    backend::{
        exponentials::{largest, sum_of_weights},
        sampling::Logprobs,
    },
    generate::vocabulary::Vocabulary,
};
use serde::Serialize;

/// Holds the log-probabilities of a token of the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenLogprob {
    /// Describes the token itself. In JSON its fields are beside `top_logprobs`.
    #[serde(flatten)]
    pub chosen: Logprob,
    /// Lists the most likely tokens in its place, the most likely first.
    pub top_logprobs: Vec<Logprob>,
}

/// Holds the log-probability of one token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Logprob {
    /// Holds the token's text, with U+FFFD for a part of a character.
    pub token: String,
    /// Holds the natural logarithm of the token's probability, before penalties, temperature and
    /// filters.
    pub logprob: f32,
    /// Holds the token's bytes, which may be a part of a UTF-8 character.
    pub bytes: Vec<u8>,
}

impl TokenLogprob {
    /// Shapes the log-probabilities of `token`.
    pub fn new(token: u32, logprobs: &Logprobs, vocabulary: &impl Vocabulary) -> Self {
        let logprob = |token: u32, logprob: f32| {
            let bytes = vocabulary.token_bytes(token).to_vec();
            Logprob {
                token: String::from_utf8_lossy(&bytes).into_owned(),
                logprob,
                bytes,
            }
        };
        let top_logprobs = logprobs
            .top
            .iter()
            .map(|&(token, value)| logprob(token, value))
            .collect();
        Self {
            chosen: logprob(token, logprobs.sampled),
            top_logprobs,
        }
    }
}

impl Logprobs {
    /// Computes the log-probabilities of `token` and of the `top` most likely tokens from `logits`,
    /// `[vocab]`: `logit - max - ln(sum(exp(logits - max)))`.
    pub fn of(token: u32, top: usize, logits: &[f32]) -> Self {
        let max = largest(logits);
        let log_sum = (f64::from(max) + sum_of_weights(logits, max).ln()) as f32;
        let mut candidates: Vec<Candidate> = Vec::new();
        if top > 0 {
            top_k(logits, top, &mut candidates);
        }
        let sampled = logits
            .get(token as usize)
            .copied()
            .unwrap_or(f32::NEG_INFINITY)
            - log_sum;
        // `top_k` leaves the logits in the candidates' field `probability`.
        Self {
            sampled,
            top: candidates
                .iter()
                .map(|candidate| (candidate.token, candidate.probability - log_sum))
                .collect(),
        }
    }
}
