//! Tokens chosen on the device, and how likely they were.

use super::{
    Gpu, Step,
    depth::MOST_STEPS,
    dispatch::{Op, Words},
    pipeline::Key,
    step::Now,
    waiting::Reading,
};
use crate::{
    Code, Error, Result,
    backend::sampling::{Logprobs, SampledToken, SamplingParams, TokenSampler},
    host,
};
use std::collections::VecDeque;
use wgpu::BufferUsages as Usage;

/// Slices of the vocabulary, for as many workgroups.
const SLICES: usize = 64;
/// `RANKS` of `shaders/shared/ranks.wgsl`
const RANKS: usize = 20;

/// What choosing a token needs.
pub struct GpuSampler {
    filters: SamplingParams,
    /// `[vocab]`: 0 unseen, 1 in the prompt, 1 + n in the answer n times
    marks: wgpu::Buffer,
    /// Added to the logits, `[vocab]`.
    bias: wgpu::Buffer,
    /// `[vocab / 32]`: a bit for each token that may be chosen
    mask: wgpu::Buffer,
    /// `[SLICES]`: order and token
    maxima: wgpu::Buffer,
    /// `[SLICES, slice]`: order and token
    kept: wgpu::Buffer,
    /// `[SLICES]`
    counts: wgpu::Buffer,
    /// Whether marks or biases change anything.
    penalized: bool,
    masked: bool,
    top_logprobs: Option<u32>,
    /// Made when log-probabilities are first asked for.
    ranking: Option<Ranking>,
    /// How many tokens were chosen since the step was made.
    chosen: usize,
    /// Tokens on their way to the host, the oldest first.
    pub unread: VecDeque<Reading>,
    /// Buffers that no reading has.
    idle: Vec<wgpu::Buffer>,
}

struct Ranking {
    /// The logits before anything changes them, `[vocab]`.
    raw: wgpu::Buffer,
    /// `[SLICES, RANKS]`: order and token
    ranked: wgpu::Buffer,
    /// `[SLICES]`
    sums: wgpu::Buffer,
    /// `[1 + RANKS]`: token and log-probability
    likely: wgpu::Buffer,
}

impl GpuSampler {
    /// `room` makes a buffer of so many words. Errors: those of `room`.
    pub fn new(
        vocab: usize,
        mut room: impl FnMut(&'static str, usize, Usage) -> Result<wgpu::Buffer>,
    ) -> Result<Self> {
        Ok(Self {
            filters: SamplingParams::GREEDY,
            marks: room("marks", vocab, Usage::COPY_DST)?,
            bias: room("logit bias", vocab, Usage::COPY_DST)?,
            mask: room("mask", vocab.div_ceil(32), Usage::COPY_DST)?,
            maxima: room("maxima", 2 * SLICES, Usage::empty())?,
            kept: room("kept", 2 * SLICES * vocab.div_ceil(SLICES), Usage::empty())?,
            counts: room("counts", SLICES, Usage::empty())?,
            penalized: false,
            masked: false,
            top_logprobs: None,
            ranking: None,
            chosen: 0,
            unread: VecDeque::new(),
            idle: Vec::new(),
        })
    }

    /// Where in `token_ids` the last chosen token lies.
    pub fn last_slot(&self, max_tokens: usize) -> u32 {
        slot(max_tokens, self.chosen.wrapping_sub(1))
    }

    fn step(&self, now: Now, max_tokens: usize, draw: f32) -> Now {
        let SamplingParams {
            repetition_penalty,
            frequency_penalty,
            presence_penalty,
            temperature,
            top_k,
            top_p,
            min_p,
        } = self.filters;
        Now {
            repetition_penalty,
            frequency_penalty,
            presence_penalty,
            temperature,
            top_k,
            top_p,
            min_p,
            draw,
            chosen_at: slot(max_tokens, self.chosen),
            penalized: self.penalized.into(),
            masked: self.masked.into(),
            top_logprobs: self.top_logprobs.unwrap_or(0),
            ..now
        }
    }
}

fn slot(max_tokens: usize, n: usize) -> u32 {
    (max_tokens + n % MOST_STEPS) as u32
}

impl Gpu {
    pub(super) fn prepare_choice(&mut self, step: &mut Step, choose: &impl TokenSampler) {
        let vocab = step.dims.vocab;
        let choice = &mut step.choice;
        choice.unread.clear();
        choice.filters = choose.filters();
        choice.penalized = choose.filters().penalize() || choose.logit_bias().next().is_some();
        if choice.penalized {
            let (mut bias, mut marks) = (vec![0f32; vocab], vec![0u32; vocab]);
            for (token, value) in choose.logit_bias() {
                bias[token as usize] = value;
            }
            for (token, count) in choose.counts() {
                marks[token as usize] = 1 + count;
            }
            self.device
                .queue
                .write_buffer(&choice.bias, 0, bytemuck::cast_slice(&bias));
            self.device
                .queue
                .write_buffer(&choice.marks, 0, bytemuck::cast_slice(&marks));
        }
        choice.masked = choose.mask().is_some();
        if let Some(mask) = choose.mask() {
            self.device
                .queue
                .write_buffer(&choice.mask, 0, bytemuck::cast_slice(mask));
        }
        choice.top_logprobs = choose.top_logprobs();
        if choice.top_logprobs.is_some() && choice.ranking.is_none() {
            let mut room = |label, words: usize, usage| {
                self.buffer(label, words * size_of::<u32>(), Usage::STORAGE | usage)
            };
            let mut ranking = || {
                Ok::<_, Error>(Ranking {
                    raw: room("raw logits", vocab, Usage::empty())?,
                    ranked: room("ranked", 2 * SLICES * RANKS, Usage::empty())?,
                    sums: room("sums", SLICES, Usage::empty())?,
                    likely: room("likely", 2 * (1 + RANKS), Usage::COPY_SRC)?,
                })
            };
            // All are smaller than what the step has already.
            choice.ranking = ranking().ok();
        }
        self.depth.begin();
    }

    pub(super) fn choose_token(&mut self, step: &mut Step, draw: f32) {
        step.now = step.choice.step(step.now, step.max_tokens, draw);
        step.choice.chosen += 1;
        let is_ranked = step.choice.top_logprobs.is_some();
        if is_ranked {
            self.record(step, "rank", 0, |gpu, step, _| gpu.rank_ops(step));
        }
        self.record(step, "choose", 0, |gpu, step, _| gpu.choose_ops(step));
        if is_ranked {
            self.record(step, "logprobs", 0, |gpu, step, _| gpu.likelihood_ops(step));
        }
        let (source, at, words) = match &step.choice.ranking {
            Some(ranking) if is_ranked => (
                ranking.likely.clone(),
                0,
                2 * (1 + step.now.top_logprobs as usize),
            ),
            _ => (step.token_ids.clone(), step.now.chosen_at as usize, 1),
        };
        let word_bytes = size_of::<u32>();
        let (at, size_bytes) = ((at * word_bytes) as u64, (words * word_bytes) as u64);
        let idle = &mut step.choice.idle;
        let buffer = match idle.iter().position(|buffer| buffer.size() == size_bytes) {
            Some(found) => idle.swap_remove(found),
            None => {
                let buffer = self.device.readback(size_bytes);
                self.count(&buffer);
                buffer
            }
        };
        let submission = self.submit_with(step, |encoder| {
            encoder.copy_buffer_to_buffer(&source, at, &buffer, 0, size_bytes)
        });
        self.counters.read_bytes += size_bytes;
        step.choice
            .unread
            .push_back(Reading::after(&self.device, submission, buffer, size_bytes));
    }

    pub(super) async fn read_token(&mut self, step: &mut Step) -> Result<SampledToken> {
        let Some(reading) = step.choice.unread.pop_front() else {
            return Err(Error::new(
                Code::InvalidArgument,
                "No token was chosen that has not been read.",
            ));
        };
        let mut words: Vec<u32> = Vec::new();
        let buffer = reading
            .finish(&self.device, |bytes| {
                words = bytemuck::pod_collect_to_vec(bytes)
            })
            .await?;
        self.depth.observe(host::now_ms());
        step.choice.idle.push(buffer);
        let is_token = |token: u32| (token as usize) < step.dims.vocab;
        let mut pairs = words
            .chunks_exact(2)
            .map(|pair| (pair[0], f32::from_bits(pair[1])));
        let logprobs = pairs.next().map(|(_, chosen)| Logprobs {
            chosen,
            top: pairs.filter(|&(token, _)| is_token(token)).collect(),
        });
        match words.first() {
            Some(&token) if is_token(token) => Ok(SampledToken { token, logprobs }),
            _ => Err(Error::new(
                Code::NotFinite,
                "The GPU computed a logit that is no number. Download the model file again; if it stays so, report it.",
            )),
        }
    }

    fn slice_op(
        &mut self,
        name: &'static str,
        step: &Step,
        buffers: &[&wgpu::Buffer],
        groups: usize,
    ) -> Op {
        let vocab = step.dims.vocab;
        let mut words = Words::default();
        words.push(vocab).push(vocab.div_ceil(SLICES)).push(SLICES);
        self.op(Key::new(name), &words, buffers, [groups as u32, 1], None)
    }

    fn choose_ops(&mut self, step: &Step) -> Vec<Op> {
        let choice = &step.choice;
        let adjust = [
            &step.logits,
            &choice.marks,
            &choice.bias,
            &choice.mask,
            &choice.maxima,
        ];
        let gather = [&step.logits, &choice.maxima, &choice.kept, &choice.counts];
        let choose = [
            &choice.maxima,
            &choice.kept,
            &choice.counts,
            &step.token_ids,
            &choice.marks,
        ];
        vec![
            self.slice_op("adjust", step, &adjust, SLICES),
            self.slice_op("gather", step, &gather, SLICES),
            self.slice_op("choose", step, &choose, 1),
        ]
    }

    fn rank_ops(&mut self, step: &Step) -> Vec<Op> {
        let Some(Ranking {
            raw, ranked, sums, ..
        }) = &step.choice.ranking
        else {
            return Vec::new();
        };
        vec![self.slice_op("rank", step, &[&step.logits, raw, ranked, sums], SLICES)]
    }

    fn likelihood_ops(&mut self, step: &Step) -> Vec<Op> {
        let Some(Ranking {
            raw,
            ranked,
            sums,
            likely,
        }) = &step.choice.ranking
        else {
            return Vec::new();
        };
        vec![self.slice_op(
            "logprobs",
            step,
            &[raw, ranked, sums, &step.token_ids, likely],
            1,
        )]
    }
}
