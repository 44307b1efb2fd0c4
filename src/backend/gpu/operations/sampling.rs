//! Tokens sampled on the device, and how likely they were.

use crate::{
    Code, Error, Result,
    backend::{
        gpu::{
            activations::Activations,
            context::Gpu,
            device::readback::Readback,
            kernels::sampling::{
                Op, filter_logits::FilterLogits, logprobs::Logprobs, penalties::Penalties,
                sample::Sample, top_logprobs::TopLogprobs,
            },
            recording::{Dispatch, Operation, RecordingKey},
            sampler::LogprobBuffers,
        },
        sampling::{self, SampledToken, TokenSampler},
    },
    host,
};
use wgpu::{Buffer, BufferUsages as Usage};

impl Gpu {
    /// Hands the device what it needs to sample as `sampler` would.
    pub(in crate::backend::gpu) fn prepare_sampling(
        &mut self,
        step: &mut Activations,
        sampler: &impl TokenSampler,
    ) {
        let vocab = step.dims.vocab;
        // Where the host computes a mask meanwhile, the logits were submitted already.
        if step.commands.is_none() {
            self.begin_commands(step);
        }
        let on_device = &mut step.sampler;
        on_device.unread.clear();
        on_device.params = sampler.params();
        on_device.is_penalized =
            sampler.params().penalize() || sampler.logit_bias().next().is_some();
        if on_device.is_penalized {
            let (mut bias, mut marks) = (vec![0f32; vocab], vec![0u32; vocab]);
            for (token, value) in sampler.logit_bias() {
                bias[token as usize] = value;
            }
            for (token, count) in sampler.counts() {
                marks[token as usize] = 1 + count;
            }
            let queue = &self.device.queue;
            queue.write_buffer(&on_device.bias, 0, bytemuck::cast_slice(&bias));
            queue.write_buffer(&on_device.marks, 0, bytemuck::cast_slice(&marks));
        }
        on_device.is_masked = sampler.mask().is_some();
        if let Some(mask) = sampler.mask() {
            self.device
                .queue
                .write_buffer(&on_device.mask, 0, bytemuck::cast_slice(mask));
        }
        on_device.top_logprobs = sampler.top_logprobs();
        if on_device.top_logprobs.is_some() && on_device.logprobs.is_none() {
            let make = |label, words: usize, usage| {
                self.buffer(label, words * size_of::<u32>(), Usage::STORAGE | usage)
            };
            // All are smaller than what the step has already.
            on_device.logprobs = LogprobBuffers::new(vocab, make).ok();
        }
        self.run_ahead.begin();
    }

    /// Samples a token by the step's logits, ends the step, and sends the token to the host.
    pub(in crate::backend::gpu) fn record_sample(&mut self, step: &mut Activations, draw: f32) {
        step.params = step.sampler.fill(step.params, step.max_tokens, draw);
        step.sampler.sampled += 1;
        let wants_logprobs = step.sampler.top_logprobs.is_some() && step.sampler.logprobs.is_some();
        if wants_logprobs {
            let key = RecordingKey::new(Operation::TopLogprobs, step);
            self.record(step, key, |gpu, step, _| gpu.top_logprobs_dispatches(step));
        }
        let key = RecordingKey::new(Operation::Sample, step);
        self.record(step, key, |gpu, step, _| gpu.sample_dispatches(step));
        if wants_logprobs {
            let key = RecordingKey::new(Operation::Logprobs, step);
            self.record(step, key, |gpu, step, _| gpu.logprobs_dispatches(step));
        }
        let (source, at, words) = match &step.sampler.logprobs {
            Some(buffers) if wants_logprobs => (
                buffers.logprobs.clone(),
                0,
                2 * (1 + step.params.top_logprobs as usize),
            ),
            _ => (step.token_ids.clone(), step.params.sampled_at as usize, 1),
        };
        let word_bytes = size_of::<u32>();
        let (at, size_bytes) = ((at * word_bytes) as u64, (words * word_bytes) as u64);
        let buffer = self.idle_readback(step, size_bytes);
        let submission = self.submit_with(step, |encoder| {
            encoder.copy_buffer_to_buffer(&source, at, &buffer, 0, size_bytes);
        });
        self.counters.read_bytes += size_bytes;
        let readback = Readback::after(&self.device, submission, buffer, size_bytes);
        step.sampler.unread.push_back(readback);
    }

    /// Returns a buffer of this size for a readback.
    pub(super) fn idle_readback(&mut self, step: &mut Activations, size_bytes: u64) -> Buffer {
        let idle = &mut step.sampler.idle;
        match idle.iter().position(|buffer| buffer.size() == size_bytes) {
            Some(found) => idle.swap_remove(found),
            None => {
                let buffer = self.device.readback(size_bytes);
                self.count(&buffer);
                buffer
            }
        }
    }

    /// Reads the oldest token that was sampled and not read.
    ///
    /// # Errors
    /// `not_finite`, `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub(in crate::backend::gpu) async fn read_token(
        &mut self,
        step: &mut Activations,
    ) -> Result<SampledToken> {
        let Some(readback) = step.sampler.unread.pop_front() else {
            return Err(Error::new(
                Code::InvalidArgument,
                "No token was sampled that has not been read.",
            ));
        };
        let mut words: Vec<u32> = Vec::new();
        let take = |bytes: &[u8]| words = bytemuck::pod_collect_to_vec(bytes);
        let buffer = readback.finish(&self.device, take).await?;
        self.run_ahead.observe(host::now_ms());
        step.sampler.idle.push(buffer);
        let is_token = |token: u32| (token as usize) < step.dims.vocab;
        let mut pairs = words
            .chunks_exact(2)
            .map(|pair| (pair[0], f32::from_bits(pair[1])));
        let logprobs = pairs.next().map(|(_, sampled)| sampling::Logprobs {
            sampled,
            top: pairs.filter(|&(token, _)| is_token(token)).collect(),
        });
        let token = checked_token(step, words.first().copied().unwrap_or(u32::MAX))?;
        Ok(SampledToken { token, logprobs })
    }

    fn sample_dispatches(&mut self, step: &Activations) -> Vec<Dispatch> {
        let (op, sampler) = (Op::new(step.dims.vocab), &step.sampler);
        let penalties = [
            ("logits", &step.logits),
            ("marks", &sampler.marks),
            ("bias", &sampler.bias),
            ("mask", &sampler.mask),
            ("maxima", &sampler.maxima),
        ];
        let filter_logits = [
            ("logits", &step.logits),
            ("maxima", &sampler.maxima),
            ("kept", &sampler.kept),
            ("counts", &sampler.counts),
        ];
        let sample = [
            ("maxima", &sampler.maxima),
            ("kept", &sampler.kept),
            ("counts", &sampler.counts),
            ("token_ids", &step.token_ids),
            ("marks", &sampler.marks),
        ];
        vec![
            self.dispatch(Penalties, op, &penalties),
            self.dispatch(FilterLogits, op, &filter_logits),
            self.dispatch(Sample, op, &sample),
        ]
    }

    fn top_logprobs_dispatches(&mut self, step: &Activations) -> Vec<Dispatch> {
        let Some(buffers) = &step.sampler.logprobs else {
            return Vec::new();
        };
        let bound = [
            ("logits", &step.logits),
            ("raw", &buffers.raw),
            ("ranked", &buffers.ranked),
            ("sums", &buffers.sums),
        ];
        vec![self.dispatch(TopLogprobs, Op::new(step.dims.vocab), &bound)]
    }

    fn logprobs_dispatches(&mut self, step: &Activations) -> Vec<Dispatch> {
        let Some(buffers) = &step.sampler.logprobs else {
            return Vec::new();
        };
        let bound = [
            ("raw", &buffers.raw),
            ("ranked", &buffers.ranked),
            ("sums", &buffers.sums),
            ("token_ids", &step.token_ids),
            ("logprobs", &buffers.logprobs),
        ];
        vec![self.dispatch(Logprobs, Op::new(step.dims.vocab), &bound)]
    }
}

/// Returns the token, if it is one.
///
/// # Errors
/// `not_finite` where the device found a logit that is no number.
pub(super) fn checked_token(step: &Activations, token: u32) -> Result<u32> {
    if (token as usize) < step.dims.vocab {
        return Ok(token);
    }
    Err(Error::new(
        Code::NotFinite,
        "The GPU computed a logit that is no number. Download the model file again; if it stays \
         so, report it.",
    ))
}
