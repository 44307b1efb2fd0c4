//! Chooses the next token from the model's logits.

use super::{Vocabulary, logprobs::TokenLogprob, rng::Pcg32};
use crate::{
    Code, Error, Result,
    backend::sampling::{Logprobs, Mask, SampledToken, SamplingParams, TokenSampler},
    host,
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

/// How to choose a token. The steps run in the order of the fields: penalties and bias change the logits, `temperature` scales them,
/// then `top_k`, `top_p` and `min_p` each drop candidates, as in Hugging Face transformers. The defaults are llama.cpp's.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingOptions {
    /// Above 0, up to 10; 1 is off. A token of the prompt or the answer has a positive logit divided, a negative one multiplied by it (Keskar et al. 2019).
    pub repetition_penalty: f32,
    /// -2 to 2; 0 is off. Subtracted from a token's logit once for each time it stands in the answer.
    pub frequency_penalty: f32,
    /// -2 to 2; 0 is off. Subtracted once from the logit of a token that stands in the answer.
    pub presence_penalty: f32,
    /// Token id to a number from -100 to 100 that is added to its logit.
    pub logit_bias: BTreeMap<u32, f32>,
    /// The only tokens that may be chosen; none: all.
    pub allowed_tokens: Option<Vec<u32>>,
    /// 0 to 2. The logits are divided by it; at 0 the likeliest token is taken and nothing below matters.
    pub temperature: f32,
    /// Keeps this many of the likeliest tokens; 0 is off.
    pub top_k: u32,
    /// 0 to 1; 1 is off. Keeps the fewest likeliest tokens whose probabilities sum to this, at least one.
    pub top_p: f32,
    /// 0 to 1; 0 is off. Keeps the tokens at least this fraction as probable as the likeliest.
    pub min_p: f32,
    /// The same seed gives the same choices; none draws one from the host.
    pub seed: Option<u64>,
    /// Up to 20. Log-probabilities are wanted: of each token, and of so many of the likeliest in its place.
    pub top_logprobs: Option<u32>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: BTreeMap::new(),
            allowed_tokens: None,
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            seed: None,
            top_logprobs: None,
        }
    }
}

impl SamplingOptions {
    /// The likeliest token, always.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            ..Self::default()
        }
    }

    /// Errors: `invalid_argument`, naming the option and its range.
    pub fn validate(&self, vocab_size: usize) -> Result<()> {
        in_range("temperature", self.temperature, 0.0, 2.0)?;
        in_range("top_p", self.top_p, 0.0, 1.0)?;
        in_range("min_p", self.min_p, 0.0, 1.0)?;
        in_range("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        in_range("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty <= 10.0) {
            return Err(invalid(format!(
                "`repetition_penalty` is {}; it must be above 0 and at most 10.",
                self.repetition_penalty
            )));
        }
        if let Some(top) = self.top_logprobs.filter(|&top| top > MOST_LOGPROBS) {
            return Err(invalid(format!(
                "`top_logprobs` is {top}; it must be from 0 to {MOST_LOGPROBS}."
            )));
        }
        for (&token, &bias) in &self.logit_bias {
            if token as usize >= vocab_size {
                return Err(invalid(format!(
                    "`logit_bias` names token {token}; the vocabulary has the tokens 0 to {}.",
                    vocab_size.saturating_sub(1)
                )));
            }
            in_range(&format!("logit_bias[{token}]"), bias, -100.0, 100.0)?;
        }
        if let Some(tokens) = &self.allowed_tokens {
            if tokens.is_empty() {
                return Err(invalid("`allowed_token_ids` is empty; name the tokens that may be chosen, or leave it out.".to_owned()));
            }
            if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocab_size) {
                let last = vocab_size.saturating_sub(1);
                return Err(invalid(format!(
                    "`allowed_token_ids` names token {token}; the vocabulary has the tokens 0 to {last}."
                )));
            }
        }
        Ok(())
    }
}

/// As in the OpenAI API.
const MOST_LOGPROBS: u32 = 20;

fn in_range(name: &str, value: f32, low: f32, high: f32) -> Result<()> {
    // Written so that NaN fails.
    if value >= low && value <= high {
        Ok(())
    } else {
        Err(invalid(format!(
            "`{name}` is {value}; it must be from {low} to {high}."
        )))
    }
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidArgument, message)
}

/// A token that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub token: u32,
    pub probability: f32,
}

/// Chooses tokens one after another and remembers them for the penalties.
#[derive(Debug)]
pub struct Sampler {
    options: SamplingOptions,
    rng: Pcg32,
    /// How often each token stands in the answer; 0 for one that only the prompt has.
    counts: HashMap<u32, u32>,
    candidates: Vec<Candidate>,
    more: usize,
    mask: Option<Mask>,
    /// Of the last token.
    logprobs: Option<Logprobs>,
}

impl Sampler {
    /// Errors: `invalid_argument`, as [`SamplingOptions::validate`].
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

    /// Tells the sampler what the prompt says, for the repetition penalty.
    pub fn observe_prompt(&mut self, tokens: &[u32]) {
        if self.options.repetition_penalty != 1.0 {
            for &token in tokens {
                self.counts.entry(token).or_insert(0);
            }
        }
    }

    /// Tells the sampler how many tokens may be wanted after the next, so that a device may go ahead of it.
    pub fn expect_more(&mut self, tokens: usize) {
        self.more = tokens;
    }

    /// Chooses the token that follows, given `logits` `[vocab]`, which it uses as scratch.
    /// Errors: `not_finite` when a logit is NaN or infinite, or none is above minus infinity.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<u32> {
        let draw = self.draw(0);
        let raw = self.options.top_logprobs.map(|_| logits.to_vec());
        let token = match self.distribution(logits)? {
            [only] => only.token,
            _ => self.drawn(draw),
        };
        let logprobs = raw
            .map(|raw| Logprobs::of(token, self.options.top_logprobs.unwrap_or(0) as usize, &raw));
        self.accept(SampledToken { token, logprobs });
        Ok(token)
    }

    /// How likely the last token chosen was, if that is wanted.
    pub fn logprob(&self, token: u32, vocabulary: &impl Vocabulary) -> Option<TokenLogprob> {
        Some(TokenLogprob::new(
            token,
            self.logprobs.as_ref()?,
            vocabulary,
        ))
    }

    /// The tokens left by every filter, with probabilities that sum to 1. `logits` `[vocab]` is scratch.
    /// Errors: as [`Sampler::sample`].
    pub fn distribution(&mut self, logits: &mut [f32]) -> Result<&[Candidate]> {
        self.adjust(logits);
        let (top, max) = likeliest(logits)?;
        let SamplingOptions {
            temperature,
            top_k,
            top_p,
            min_p,
            ..
        } = self.options;
        let candidates = &mut self.candidates;
        candidates.clear();
        if temperature == 0.0 {
            candidates.push(Candidate {
                token: top,
                probability: 1.0,
            });
            return Ok(candidates);
        }
        if top_k > 0 && (top_k as usize) < logits.len() {
            keep_largest(logits, top_k as usize, candidates);
        } else {
            candidates.extend(pairs(logits));
        }
        // From here on `probability` holds the probability relative to the likeliest token's, until it is normalised.
        for candidate in &mut *candidates {
            candidate.probability = ((candidate.probability - max) / temperature).exp();
        }
        if top_p < 1.0 {
            keep_nucleus(candidates, top_p);
        }
        if min_p > 0.0 {
            candidates.retain(|candidate| candidate.probability >= min_p);
        }
        let total = mass(candidates);
        for candidate in &mut *candidates {
            candidate.probability = (f64::from(candidate.probability) / total) as f32;
        }
        Ok(candidates)
    }

    fn adjust(&self, logits: &mut [f32]) {
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

    /// The candidate that `draw` falls on. They lie in the order of their ids, as on a device.
    fn drawn(&mut self, draw: f32) -> u32 {
        self.candidates
            .sort_unstable_by_key(|candidate| candidate.token);
        let mut left = f64::from(draw) * mass(&self.candidates);
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
    fn choose(&mut self, logits: &mut [f32]) -> Result<u32> {
        self.sample(logits)
    }
    fn filters(&self) -> SamplingParams {
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

/// The first token with the largest logit, and that logit.
fn likeliest(logits: &[f32]) -> Result<(u32, f32)> {
    let mut top = (0, f32::NEG_INFINITY);
    let mut broken = false;
    for (token, &logit) in (0u32..).zip(logits) {
        broken |= logit.is_nan() || logit == f32::INFINITY;
        if logit > top.1 {
            top = (token, logit);
        }
    }
    if broken || top.1 == f32::NEG_INFINITY {
        return Err(Error::new(
            Code::NotFinite,
            "The model computed a logit that is no number. Download the model file again; if it stays so, report it.",
        ));
    }
    Ok(top)
}

fn pairs(logits: &[f32]) -> impl Iterator<Item = Candidate> {
    (0u32..).zip(logits).map(|(token, &logit)| Candidate {
        token,
        probability: logit,
    })
}

fn mass(candidates: &[Candidate]) -> f64 {
    candidates
        .iter()
        .map(|candidate| f64::from(candidate.probability))
        .sum()
}

/// Likeliest first, equals by id: a total order, so that the same seed draws the same token everywhere.
fn by_rank(a: &Candidate, b: &Candidate) -> Ordering {
    b.probability
        .total_cmp(&a.probability)
        .then(a.token.cmp(&b.token))
}

/// Appends the `k` largest logits, largest first, in time linear in the vocabulary: a logit enters only above the `k`-th best seen so far.
pub fn keep_largest(logits: &[f32], k: usize, kept: &mut Vec<Candidate>) {
    let room = (2 * k).max(128);
    let mut floor = f32::NEG_INFINITY;
    for candidate in pairs(logits) {
        // An equal that comes later ranks lower; only the first `k` may be as low as minus infinity.
        if candidate.probability > floor || kept.len() < k {
            kept.push(candidate);
        }
        if kept.len() >= room {
            floor = kept.select_nth_unstable_by(k - 1, by_rank).1.probability;
            kept.truncate(k);
        }
    }
    kept.sort_unstable_by(by_rank);
    kept.truncate(k);
}

/// Keeps the likeliest candidates whose mass reaches `top_p` of the whole. Sorts no more of them than it must.
fn keep_nucleus(candidates: &mut Vec<Candidate>, top_p: f32) {
    let goal = mass(candidates) * f64::from(top_p);
    let mut sorted = 64;
    loop {
        sorted = candidates.len().min(sorted);
        if sorted < candidates.len() {
            candidates.select_nth_unstable_by(sorted, by_rank);
        }
        let head = &mut candidates[..sorted];
        head.sort_unstable_by(by_rank);
        let mut reached = 0.0;
        let end = head.iter().position(|candidate| {
            reached += f64::from(candidate.probability);
            reached >= goal
        });
        if let Some(end) = end {
            return candidates.truncate(end + 1);
        }
        if sorted == candidates.len() {
            return;
        }
        sorted *= 4;
    }
}
