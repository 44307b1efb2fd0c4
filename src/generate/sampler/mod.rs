//! Samples the next token from the model's logits.

mod candidates;
pub mod logprobs;
mod options;

pub use candidates::Candidate;
pub use options::SamplingOptions;

use super::{rng::Pcg32, vocabulary::Vocabulary};
use crate::{
    Result,
    backend::sampling::{Logprobs, Mask, SampledToken, SamplingParams, TokenSampler},
    host,
};
use candidates::{argmax, top_k, top_p, total_probability, with_logits};
use logprobs::TokenLogprob;
use std::collections::HashMap;

/// Samples tokens one after another, and counts them for the penalties.
///
/// ```
/// use siskin::generate::sampler::{Sampler, SamplingOptions};
///
/// # fn main() -> siskin::Result<()> {
/// let mut logits = [0.5, 3.0, -1.0, 2.5];
/// let mut sampler = Sampler::new(SamplingOptions::greedy(), logits.len())?;
/// assert_eq!(sampler.sample(&mut logits)?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sampler {
    options: SamplingOptions,
    rng: Pcg32,
    /// Counts how often each token is in the answer; 0 for a token that only the prompt has.
    counts: HashMap<u32, u32>,
    candidates: Vec<Candidate>,
    /// Counts the tokens that may be wanted after the next one.
    more: usize,
    mask: Option<Mask>,
    /// Holds the log-probabilities of the last token, if they are wanted.
    logprobs: Option<Logprobs>,
}

impl Sampler {
    /// Makes a sampler for a vocabulary of `vocab_size` tokens.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, as [`SamplingOptions::validate`].
    pub fn new(options: SamplingOptions, vocab_size: usize) -> Result<Self> {
        options.validate(vocab_size)?;
        let seed = options.seed.unwrap_or_else(host::entropy);
        let mask = options.allowed_tokens.as_ref().map(|tokens| {
            let mut mask = vec![0; vocab_size.div_ceil(32)];
            tokens
                .iter()
                .for_each(|&token| mask[token as usize / 32] |= 1 << (token % 32));
            mask
        });
        let (rng, counts, candidates) = (Pcg32::new(seed, 0), HashMap::new(), Vec::new());
        Ok(Self {
            options,
            rng,
            counts,
            candidates,
            more: 0,
            mask,
            logprobs: None,
        })
    }

    /// Takes the tokens of the prompt, which the repetition penalty applies to.
    pub fn observe_prompt(&mut self, tokens: &[u32]) {
        if self.options.repetition_penalty != 1.0 {
            for &token in tokens {
                self.counts.entry(token).or_insert(0);
            }
        }
    }

    /// Takes the number of tokens that may be wanted after the next one: that many steps the device
    /// may decode ahead of the host.
    pub fn expect_more(&mut self, tokens: usize) {
        self.more = tokens;
    }

    /// Samples the next token from `logits`, `[vocab]`, which it overwrites.
    ///
    /// # Errors
    ///
    /// `not_finite` when a logit is NaN or infinite, or none is above minus infinity.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<u32> {
        let draw = self.draw(0);
        let raw = self.options.top_logprobs.map(|_| logits.to_vec());
        let token = match self.distribution(logits)? {
            [only] => only.token,
            _ => self.draw_candidate(draw),
        };
        let logprobs = raw
            .map(|raw| Logprobs::of(token, self.options.top_logprobs.unwrap_or(0) as usize, &raw));
        self.accept(SampledToken { token, logprobs });
        Ok(token)
    }

    /// Returns the log-probability of `token`, the last one sampled, if the options ask for it.
    pub fn logprob(&self, token: u32, vocabulary: &impl Vocabulary) -> Option<TokenLogprob> {
        Some(TokenLogprob::new(
            token,
            self.logprobs.as_ref()?,
            vocabulary,
        ))
    }

    /// Returns the candidates that every filter keeps. Their probabilities sum to 1. `logits`,
    /// `[vocab]`, is overwritten.
    ///
    /// # Errors
    ///
    /// As [`Sampler::sample`].
    pub fn distribution(&mut self, logits: &mut [f32]) -> Result<&[Candidate]> {
        self.adjust_logits(logits);
        let (most_likely, max) = argmax(logits)?;
        let SamplingOptions {
            temperature, min_p, ..
        } = self.options;
        let (k, p) = (self.options.top_k as usize, self.options.top_p);
        let candidates = &mut self.candidates;
        candidates.clear();
        if temperature == 0.0 {
            candidates.push(Candidate {
                token: most_likely,
                probability: 1.0,
            });
            return Ok(candidates);
        }
        if k > 0 && k < logits.len() {
            top_k(logits, k, candidates);
        } else {
            candidates.extend(with_logits(logits));
        }
        // From here on `probability` is relative to that of the most likely token, until the end.
        for candidate in &mut *candidates {
            candidate.probability = ((candidate.probability - max) / temperature).exp();
        }
        if p < 1.0 {
            top_p(candidates, p);
        }
        if min_p > 0.0 {
            candidates.retain(|candidate| candidate.probability >= min_p);
        }
        let total = total_probability(candidates);
        for candidate in &mut *candidates {
            candidate.probability = (f64::from(candidate.probability) / total) as f32;
        }
        Ok(candidates)
    }

    /// Applies the penalties, the bias and the mask.
    fn adjust_logits(&self, logits: &mut [f32]) {
        let SamplingOptions {
            repetition_penalty,
            frequency_penalty,
            presence_penalty,
            ..
        } = self.options;
        for (&token, &count) in &self.counts {
            let Some(logit) = logits.get_mut(token as usize) else {
                continue;
            };
            *logit = if *logit > 0.0 {
                *logit / repetition_penalty
            } else {
                *logit * repetition_penalty
            };
            if count > 0 {
                *logit -= frequency_penalty * count as f32 + presence_penalty;
            }
        }
        for (&token, &bias) in &self.options.logit_bias {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit += bias;
            }
        }
        let Some(mask) = &self.mask else { return };
        for (logits, allowed) in logits.chunks_mut(32).zip(mask) {
            for (i, logit) in logits.iter_mut().enumerate() {
                if allowed >> i & 1 == 0 {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
    }

    /// Returns the candidate that `draw`, a number in `0.0..1.0`, falls on. Candidates are in the
    /// order of their ids, as on a GPU.
    fn draw_candidate(&mut self, draw: f32) -> u32 {
        self.candidates
            .sort_unstable_by_key(|candidate| candidate.token);
        let mut left = f64::from(draw) * total_probability(&self.candidates);
        let mut chosen = 0;
        for candidate in self
            .candidates
            .iter()
            .filter(|candidate| candidate.probability > 0.0)
        {
            chosen = candidate.token;
            left -= f64::from(candidate.probability);
            if left < 0.0 {
                break;
            }
        }
        chosen
    }
}

impl TokenSampler for Sampler {
    fn sample(&mut self, logits: &mut [f32]) -> Result<u32> {
        Sampler::sample(self, logits)
    }
    fn params(&self) -> SamplingParams {
        let &SamplingOptions {
            repetition_penalty,
            frequency_penalty,
            presence_penalty,
            temperature,
            top_k,
            top_p,
            min_p,
            ..
        } = &self.options;
        SamplingParams {
            repetition_penalty,
            frequency_penalty,
            presence_penalty,
            temperature,
            top_k,
            top_p,
            min_p,
        }
    }
    fn counts(&self) -> impl Iterator<Item = (u32, u32)> {
        self.counts.iter().map(|(&token, &count)| (token, count))
    }
    fn logit_bias(&self) -> impl Iterator<Item = (u32, f32)> {
        self.options
            .logit_bias
            .iter()
            .map(|(&token, &bias)| (token, bias))
    }
    fn mask(&self) -> Option<&Mask> {
        self.mask.as_ref()
    }
    fn top_logprobs(&self) -> Option<u32> {
        self.options.top_logprobs
    }
    fn draw(&self, ahead: usize) -> f32 {
        let mut rng = self.rng.clone();
        for _ in 0..ahead {
            rng.next_f32();
        }
        rng.next_f32()
    }
    fn accept(&mut self, SampledToken { token, logprobs }: SampledToken) {
        self.rng.next_f32();
        *self.counts.entry(token).or_insert(0) += 1;
        self.logprobs = logprobs;
    }
    fn more(&self) -> usize {
        self.more
    }
}
