//! What sampling on the device keeps between tokens.

use super::{
    device::{readback::Readback, run_ahead::MAX_STEPS},
    kernels::{
        StepParams,
        sampling::{MAX_LOGPROBS, SLICES},
    },
};
use crate::{Result, backend::sampling::SamplingParams};
use std::collections::VecDeque;
use wgpu::{Buffer, BufferUsages as Usage};

/// The buffers and numbers of sampling.
#[derive(Debug)]
pub struct GpuSampler {
    /// Penalties, temperature and filters of the answer.
    pub params: SamplingParams,
    /// `[vocab]`: 0 unseen, 1 in the prompt, 1 + n in the answer n times.
    pub marks: Buffer,
    /// What is added to the logits, `[vocab]`.
    pub bias: Buffer,
    /// A bit for each token that may be sampled, `[vocab / 32]`.
    pub mask: Buffer,
    /// The largest logit of each slice, `[SLICES]`: order and token.
    pub maxima: Buffer,
    /// The candidates of each slice, `[SLICES, slice]`: order and token.
    pub kept: Buffer,
    /// The number of candidates of each slice, `[SLICES]`.
    pub counts: Buffer,
    /// The largest logit of each slice of several rows, `[max_tokens, SLICES]`: order and token.
    pub row_maxima: Buffer,
    /// Whether marks or biases change anything.
    pub is_penalized: bool,
    /// Whether the mask counts.
    pub is_masked: bool,
    /// How many log-probabilities are wanted, if any are.
    pub top_logprobs: Option<u32>,
    /// The buffers of log-probabilities, made when they are first asked for.
    pub logprobs: Option<LogprobBuffers>,
    /// The number of tokens that were sampled since the activations were made.
    pub sampled: usize,
    /// Tokens on their way to the host, the oldest first.
    pub unread: VecDeque<Readback>,
    /// Buffers that no readback has.
    pub idle: Vec<Buffer>,
}

/// The buffers of log-probabilities.
#[derive(Debug)]
pub struct LogprobBuffers {
    /// The logits before anything changes them, `[vocab]`.
    pub raw: Buffer,
    /// The largest logits of each slice, `[SLICES, MAX_LOGPROBS]`: order and token.
    pub ranked: Buffer,
    /// The sums of the slices' exponentials, `[SLICES]`.
    pub sums: Buffer,
    /// The results, `[1 + MAX_LOGPROBS]`: token and log-probability.
    pub logprobs: Buffer,
}

impl LogprobBuffers {
    /// Makes the buffers by `make`, which takes a label, a number of words and a usage.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new(
        vocab: usize,
        mut make: impl FnMut(&'static str, usize, Usage) -> Result<Buffer>,
    ) -> Result<Self> {
        Ok(Self {
            raw: make("raw logits", vocab, Usage::empty())?,
            ranked: make("ranked", 2 * SLICES * MAX_LOGPROBS, Usage::empty())?,
            sums: make("sums", SLICES, Usage::empty())?,
            logprobs: make("logprobs", 2 * (1 + MAX_LOGPROBS), Usage::COPY_SRC)?,
        })
    }
}

impl GpuSampler {
    /// Makes the buffers by `make`, which takes a label, a number of words and a usage.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new(
        vocab: usize,
        max_tokens: usize,
        mut make: impl FnMut(&'static str, usize, Usage) -> Result<Buffer>,
    ) -> Result<Self> {
        Ok(Self {
            params: SamplingParams::GREEDY,
            marks: make("marks", vocab, Usage::COPY_DST)?,
            bias: make("logit bias", vocab, Usage::COPY_DST)?,
            mask: make("mask", vocab.div_ceil(32), Usage::COPY_DST)?,
            maxima: make("maxima", 2 * SLICES, Usage::empty())?,
            kept: make("kept", 2 * SLICES * vocab.div_ceil(SLICES), Usage::empty())?,
            counts: make("counts", SLICES, Usage::empty())?,
            row_maxima: make("row maxima", 2 * SLICES * max_tokens, Usage::empty())?,
            is_penalized: false,
            is_masked: false,
            top_logprobs: None,
            logprobs: None,
            sampled: 0,
            unread: VecDeque::new(),
            idle: Vec::new(),
        })
    }

    /// Returns where in `token_ids` the token that was sampled last lies.
    pub fn last_slot(&self, max_tokens: usize) -> u32 {
        slot(max_tokens, self.sampled.wrapping_sub(1))
    }

    /// Fills in what a step needs that ends in sampling.
    pub fn fill(&self, params: StepParams, max_tokens: usize, draw: f32) -> StepParams {
        let SamplingParams {
            repetition_penalty,
            frequency_penalty,
            presence_penalty,
            temperature,
            top_k,
            top_p,
            min_p,
        } = self.params;
        StepParams {
            repetition_penalty,
            frequency_penalty,
            presence_penalty,
            temperature,
            top_k,
            top_p,
            min_p,
            draw,
            sampled_at: slot(max_tokens, self.sampled),
            penalized: self.is_penalized.into(),
            masked: self.is_masked.into(),
            top_logprobs: self.top_logprobs.unwrap_or(0),
            ..params
        }
    }
}

/// Returns where in `token_ids` the sampled token number `n` lies: in a ring behind the prompt's.
fn slot(max_tokens: usize, n: usize) -> u32 {
    (max_tokens + n % MAX_STEPS) as u32
}
