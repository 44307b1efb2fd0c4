//! How likely the model found a token and its likeliest alternatives, in the OpenAI API's shape.

use super::{
    Vocabulary,
    sampler::{Candidate, keep_largest},
};
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

/// The logits of one choice, kept until it is made.
#[derive(Debug)]
pub struct Likelihoods {
    logits: Vec<f32>,
    /// `ln sum e^logit`
    log_sum: f32,
}

impl Likelihoods {
    pub fn new(logits: &[f32]) -> Self {
        let max = logits.iter().fold(f32::NEG_INFINITY, |max, &logit| max.max(logit));
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - max).exp()).sum();
        Self { logits: logits.to_vec(), log_sum: (f64::from(max) + sum.ln()) as f32 }
    }

    /// `top`: how many alternatives.
    pub fn of(&self, token: u32, top: usize, vocabulary: &impl Vocabulary) -> TokenLogprob {
        let logprob = |token: u32| {
            let bytes = vocabulary.token_bytes(token).to_vec();
            let logit = self.logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
            Logprob { token: String::from_utf8_lossy(&bytes).into_owned(), logprob: logit - self.log_sum, bytes }
        };
        let mut candidates: Vec<Candidate> = Vec::new();
        if top > 0 {
            keep_largest(&self.logits, top, &mut candidates);
        }
        TokenLogprob { chosen: logprob(token), top_logprobs: candidates.iter().map(|candidate| logprob(candidate.token)).collect() }
    }
}
