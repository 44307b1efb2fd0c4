//! Samples the next token from the model's logits.

mod candidates;
pub mod logprobs;
mod masks;
mod options;

pub use candidates::Candidate;
pub use options::SamplingOptions;

use super::{rng::Pcg32, vocabulary::Vocabulary};
use crate::{
    Result,
    backend::{
        exponentials::{BLOCK, weights},
        sampling::{Logprobs, Mask, SampledToken, SamplingParams, TokenSampler},
    },
    grammar::Constraint,
    host,
};
use candidates::{argmax, at_least, by_rank, nucleus, top_k, top_p};
use logprobs::TokenLogprob;
use masks::Masks;
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
    /// Holds the logits before anything changes them, if log-probabilities are wanted.
    raw: Vec<f32>,
    /// Holds scratch memory: the weights of candidates, and the sums of their blocks.
    weights: Vec<f32>,
    sums: Vec<f64>,
    /// Counts the tokens that may be wanted after the next one.
    more: usize,
    masks: Masks,
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
        let masks = Masks::new(options.allowed_tokens.as_deref(), vocab_size);
        Ok(Self {
            options,
            rng: Pcg32::new(seed, 0),
            counts: HashMap::new(),
            candidates: Vec::new(),
            raw: Vec::new(),
            weights: Vec::new(),
            sums: Vec::new(),
            more: 0,
            masks,
            logprobs: None,
        })
    }

    /// Holds the answer to a form.
    pub fn constrain(&mut self, constraint: Constraint) {
        self.masks.constraint = Some(constraint);
    }

    /// Returns the tokens that must come next by the form, and counts them as sampled. There are
    /// none where log-probabilities are wanted, for which each token needs its logits.
    pub fn take_forced(&mut self) -> Vec<u32> {
        if self.options.top_logprobs.is_some() {
            return Vec::new();
        }
        let tokens = self.masks.take_forced();
        for &token in &tokens {
            *self.counts.entry(token).or_insert(0) += 1;
        }
        tokens
    }

    /// Takes tokens as sampled that were not.
    pub fn force(&mut self, tokens: &[u32]) {
        for &token in tokens {
            self.masks.accept(token);
            *self.counts.entry(token).or_insert(0) += 1;
        }
    }

    /// Returns whether the form is complete, so that nothing may follow.
    pub fn is_complete(&self) -> bool {
        self.masks.is_complete()
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
        self.prepare()?;
        let draw = self.draw(0);
        let top_logprobs = self.options.top_logprobs;
        if top_logprobs.is_some() {
            self.raw.clear();
            self.raw.extend_from_slice(logits);
        }
        let token = match self.filter(logits)? {
            Kept::One(token) => token,
            Kept::Candidates(max) => {
                // In the order of their ids, as on a GPU.
                self.candidates
                    .sort_unstable_by_key(|candidate| candidate.token);
                self.weigh_candidates(max);
                self.candidates[draw_from(&self.weights, &self.sums, draw)].token
            }
            Kept::AtLeast { max, least } => {
                let temperature = self.options.temperature;
                weights(logits, max, temperature, least, &mut self.sums);
                draw_from(logits, &self.sums, draw) as u32
            }
        };
        let logprobs = top_logprobs.map(|top| Logprobs::of(token, top as usize, &self.raw));
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

    /// Returns the candidates that every filter keeps: the likeliest first where `top_k` or `top_p`
    /// filter, else in the order of their ids. Their probabilities sum to 1. `logits`, `[vocab]`,
    /// is overwritten.
    ///
    /// # Errors
    ///
    /// As [`Sampler::sample`].
    pub fn distribution(&mut self, logits: &mut [f32]) -> Result<&[Candidate]> {
        match self.filter(logits)? {
            Kept::One(token) => {
                self.candidates.push(Candidate {
                    token,
                    probability: 1.0,
                });
                return Ok(&self.candidates);
            }
            Kept::Candidates(max) => self.weigh_candidates(max),
            Kept::AtLeast { max, least } => {
                at_least(logits, least, &mut self.candidates);
                if self.options.top_p < 1.0 {
                    self.candidates.sort_unstable_by(by_rank);
                }
                self.weigh_candidates(max);
            }
        }
        let total: f64 = self.sums.iter().sum();
        for (candidate, &weight) in self.candidates.iter_mut().zip(&self.weights) {
            candidate.probability = (f64::from(weight) / total) as f32;
        }
        Ok(&self.candidates)
    }

    /// Changes the logits by penalties, bias and mask, and finds what the filters keep.
    fn filter(&mut self, logits: &mut [f32]) -> Result<Kept> {
        self.adjust_logits(logits);
        let (most_likely, max) = argmax(logits)?;
        let SamplingOptions {
            temperature,
            top_p: p,
            min_p,
            ..
        } = self.options;
        let k = self.options.top_k as usize;
        let candidates = &mut self.candidates;
        candidates.clear();
        if temperature == 0.0 {
            return Ok(Kept::One(most_likely));
        }
        // Tokens have `min_p` of the likeliest one's probability from this logit on.
        let least = if min_p > 0.0 {
            max + min_p.ln()
        } else {
            f32::MIN
        };
        if k == 0 || k >= logits.len() {
            let least = if p < 1.0 {
                least.max(nucleus(logits, max, p, candidates))
            } else {
                least
            };
            candidates.clear();
            return Ok(Kept::AtLeast { max, least });
        }
        top_k(logits, k, candidates);
        if p < 1.0 {
            top_p(candidates, max, p);
        }
        candidates.retain(|candidate| candidate.probability >= least);
        Ok(Kept::Candidates(max))
    }

    /// Computes the weights of the candidates, which hold their logits, by the temperature.
    fn weigh_candidates(&mut self, max: f32) {
        self.weights.clear();
        let logits = self
            .candidates
            .iter()
            .map(|candidate| candidate.probability);
        self.weights.extend(logits);
        let temperature = self.options.temperature;
        weights(
            &mut self.weights,
            max,
            temperature,
            f32::MIN,
            &mut self.sums,
        );
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
        let Some(mask) = self.masks.get() else { return };
        for (logits, allowed) in logits.chunks_mut(32).zip(mask) {
            for (i, logit) in logits.iter_mut().enumerate() {
                if allowed >> i & 1 == 0 {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
    }
}

/// Says what the filters keep.
enum Kept {
    /// They keep the likeliest token.
    One(u32),
    /// They keep the sampler's candidates, which hold their logits. Holds the largest logit.
    Candidates(f32),
    /// They keep the tokens whose logit is at least `least`; `max` is the largest.
    AtLeast { max: f32, least: f32 },
}

/// Returns the index of the weight that `draw`, a number in `0.0..1.0`, falls on. `sums` are those
/// of the weights' blocks, and some weight is above 0.
fn draw_from(weights: &[f32], sums: &[f64], draw: f32) -> usize {
    let mut left = f64::from(draw) * sums.iter().sum::<f64>();
    let mut block = 0;
    for (i, &sum) in sums.iter().enumerate().filter(|(_, sum)| **sum > 0.0) {
        block = i;
        if left < sum {
            break;
        }
        left -= sum;
    }
    let first = block * BLOCK;
    let mut chosen = first;
    for (i, &weight) in weights[first..].iter().take(BLOCK).enumerate() {
        if weight > 0.0 {
            chosen = first + i;
            left -= f64::from(weight);
            if left < 0.0 {
                break;
            }
        }
    }
    chosen
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
    fn is_constrained(&self) -> bool {
        self.masks.is_constrained()
    }
    fn prepare(&mut self) -> Result<()> {
        self.masks.prepare()
    }
    fn mask(&self) -> Option<&Mask> {
        self.masks.get()
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
        self.masks.accept(token);
    }
    fn more(&self) -> usize {
        match self.is_constrained() {
            true => 0,
            false => self.more,
        }
    }
}
