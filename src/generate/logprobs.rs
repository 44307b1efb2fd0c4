//! How likely the model found a token and its likeliest alternatives, in the OpenAI API's shape.

use super::{
    Vocabulary,
    sampler::{Candidate, keep_largest},
};
use crate::backend::sampling::Logprobs;
use serde::Serialize;

/// A token that was chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenLogprob {
    #[serde(flatten)]
    pub chosen: Logprob,
    /// The likeliest tokens in its place, likeliest first.
    pub top_logprobs: Vec<Logprob>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Logprob {
    /// Its text; half a character is shown as U+FFFD.
    pub token: String,
    /// The natural logarithm of its probability, before penalties, temperature and filters.
    pub logprob: f32,
    /// Its text as UTF-8, whole or not.
    pub bytes: Vec<u8>,
}

impl TokenLogprob {
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
            .map(|&(token, likelihood)| logprob(token, likelihood))
            .collect();
        Self {
            chosen: logprob(token, logprobs.chosen),
            top_logprobs,
        }
    }
}

impl Logprobs {
    /// Of `logits` `[vocab]`, with the `top` likeliest tokens.
    pub fn of(token: u32, top: usize, logits: &[f32]) -> Self {
        let max = logits
            .iter()
            .fold(f32::NEG_INFINITY, |max, &logit| max.max(logit));
        let sum: f64 = logits
            .iter()
            .map(|&logit| f64::from(logit - max).exp())
            .sum();
        let log_sum = (f64::from(max) + sum.ln()) as f32;
        let mut candidates: Vec<Candidate> = Vec::new();
        if top > 0 {
            keep_largest(logits, top, &mut candidates);
        }
        let chosen = logits
            .get(token as usize)
            .copied()
            .unwrap_or(f32::NEG_INFINITY)
            - log_sum;
        // As it comes from there, a candidate's probability is its logit.
        Self {
            chosen,
            top: candidates
                .iter()
                .map(|candidate| (candidate.token, candidate.probability - log_sum))
                .collect(),
        }
    }
}
