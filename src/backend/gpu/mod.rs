//! The graphics card, through WebGPU: one compute pass and one submit a step, six dispatches a block (eleven for a prompt).
//!
//! An operation's buffers never change, so its bind group is made once, when it is first recorded, and found again by its name and
//! number. What differs from step to step lies in one small uniform (`shaders/shared/step.wgsl`) that is written before each submit.

mod choosing;
mod depth;
pub mod device;
mod dispatch;
mod kernels;
pub mod permutations;
pub mod pipeline;
mod prefill;
mod profile;
pub mod segment;
pub mod shader;
mod step;
mod tap;
mod tune;
mod waiting;
mod weight;

use self::{
    choosing::GpuSampler,
    depth::{Depth, MOST_STEPS},
    device::{CacheType, Device},
    dispatch::Op,
    kernels::MAX_SPLITS,
    pipeline::Pipelines,
    profile::Profile,
    step::Now,
    tap::Taps,
    waiting::{Fence, Reading},
    weight::id,
};
use super::{
    AttentionInput, Backend, Dims, FeedForward, Rows,
    sampling::{SampledToken, TokenSampler},
    tap_name,
};
use crate::{Code, Error, Result, quant::DType, tensor::Weight};
use std::{cell::RefCell, collections::HashMap, rc::Rc};
use wgpu::BufferUsages as Usage;

pub use self::{
    profile::Timing,
    step::{Cache, Step},
    weight::{Buf, Matrix, Part},
};

/// What was asked of the device since the backend was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub dispatches: u64,
    pub passes: u64,
    pub submits: u64,
    pub buffers: u64,
    /// Of all buffers.
    pub buffer_bytes: u64,
    pub bind_groups: u64,
    pub read_bytes: u64,
}

pub struct Gpu {
    device: Rc<Device>,
    pipelines: Rc<RefCell<Pipelines>>,
    step_layout: wgpu::BindGroupLayout,
    step_uniform: wgpu::Buffer,
    step_group: wgpu::BindGroup,
    ops: HashMap<(&'static str, u32, bool), Vec<Op>>,
    next_id: u32,
    /// Every vector of the model, until the first operation needs them on the device.
    vectors: Vec<f32>,
    vectors_buffer: Option<wgpu::Buffer>,
    turns: Option<wgpu::Buffer>,
    /// Bytes of weights that wait to be copied.
    unsent_bytes: usize,
    depth: Depth,
    counters: Counters,
    profile: Option<Profile>,
    taps: Taps,
}

impl Gpu {
    pub fn new(device: Device) -> Self {
        let layout = device
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("step"),
                entries: &[wgpu::BindGroupLayoutEntry {
                    binding: 0,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Uniform,
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                }],
            });
        Self::with(Rc::new(device), Rc::default(), layout)
    }

    /// Another backend on the same device, with the same compiled shaders.
    pub fn beside(&self) -> Self {
        Self::with(
            Rc::clone(&self.device),
            Rc::clone(&self.pipelines),
            self.step_layout.clone(),
        )
    }

    fn with(
        device: Rc<Device>,
        pipelines: Rc<RefCell<Pipelines>>,
        step_layout: wgpu::BindGroupLayout,
    ) -> Self {
        let step_uniform = device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("step"),
            size: size_of::<Now>() as u64,
            usage: Usage::UNIFORM | Usage::COPY_DST,
            mapped_at_creation: false,
        });
        let step_group = device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("step"),
            layout: &step_layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: step_uniform.as_entire_binding(),
            }],
        });
        let depth = Depth::new(device.latency_ms, device.is_polled);
        let profile = device
            .device
            .features()
            .contains(wgpu::Features::TIMESTAMP_QUERY)
            .then(|| Profile::new(&device));
        Self {
            device,
            profile,
            taps: Taps::default(),
            pipelines,
            step_layout,
            step_uniform,
            step_group,
            ops: HashMap::new(),
            next_id: 0,
            vectors: Vec::new(),
            vectors_buffer: None,
            turns: None,
            unsent_bytes: 0,
            depth,
            counters: Counters::default(),
        }
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Waits until the device has done all that it was asked for. Errors: those of the device.
    pub async fn settle(&mut self) -> Result<()> {
        self.counters.submits += 1;
        Fence::after(&self.device, self.device.queue.submit([]))
            .wait(&self.device)
            .await
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn count(&mut self, buffer: &wgpu::Buffer) {
        self.counters.buffers += 1;
        self.counters.buffer_bytes += buffer.size();
    }

    fn buffer(&mut self, label: &str, size_bytes: usize, usage: Usage) -> Result<wgpu::Buffer> {
        let buffer = self.device.buffer(label, size_bytes as u64, usage)?;
        self.count(&buffer);
        Ok(buffer)
    }

    /// A buffer of bytes that never change.
    fn upload(&mut self, label: &str, bytes: &[u8]) -> wgpu::Buffer {
        let buffer = self.device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: (bytes.len() as u64).next_multiple_of(16).max(16),
            usage: Usage::STORAGE | Usage::UNIFORM | Usage::COPY_DST,
            mapped_at_creation: false,
        });
        self.device.queue.write_buffer(&buffer, 0, bytes);
        self.count(&buffer);
        buffer
    }

    /// The buffer of all vectors.
    fn vectors(&mut self) -> wgpu::Buffer {
        if let Some(buffer) = &self.vectors_buffer {
            return buffer.clone();
        }
        let vectors = std::mem::take(&mut self.vectors);
        let buffer = self.upload("vectors", bytemuck::cast_slice(&vectors));
        self.vectors = vectors;
        self.vectors_buffer.insert(buffer).clone()
    }
}

impl Backend for Gpu {
    type Buf = Buf;
    type Cache = Cache;
    type Step = Step;

    fn alloc(&mut self, dtype: DType, rows: usize, cols: usize) -> Result<Weight<Buf>> {
        self.alloc_weight(dtype, rows, cols)
    }

    fn write(&mut self, weight: &mut Weight<Buf>, first_row: usize, bytes: &[u8]) {
        self.write_weight(weight, first_row, bytes);
    }

    fn cache(&mut self, dims: &Dims, context_tokens: usize) -> Result<Cache> {
        let block_bytes = self
            .cache_type()
            .size_bytes(2 * dims.kv_heads * context_tokens * dims.head_dim);
        let blocks = (0..dims.layers)
            .map(|_| self.buffer("cache", block_bytes, Usage::STORAGE | Usage::COPY_SRC))
            .collect::<Result<_>>()?;
        self.device.check()?;
        Ok(Cache {
            blocks,
            context_tokens,
        })
    }

    fn step(&mut self, dims: &Dims, max_tokens: usize) -> Result<Step> {
        let w = dims;
        let with_bytes = self.cache_type() == CacheType::Q8_0;
        if !w.head_dim.is_multiple_of(if with_bytes { 32 } else { 8 })
            || !w.heads.is_multiple_of(w.kv_heads)
        {
            let what = if with_bytes {
                " and a cache of type q8_0"
            } else {
                ""
            };
            return Err(Error::new(
                Code::GpuUnsupported,
                format!(
                    "The GPU has no kernel for attention heads of {} elements{what}.",
                    w.head_dim
                ),
            ));
        }
        let mut room = |label, len: usize, usage| {
            self.buffer(label, len * size_of::<f32>(), Usage::STORAGE | usage)
        };
        let choice = GpuSampler::new(w.vocab, &mut room)?;
        let step = Step {
            dims: w.clone(),
            max_tokens,
            now: Now::default(),
            token_ids: room(
                "token ids",
                max_tokens + MOST_STEPS,
                Usage::COPY_DST | Usage::COPY_SRC,
            )?,
            x: room("x", max_tokens * w.embedding, Usage::COPY_SRC)?,
            q: room("q", max_tokens * w.heads * w.head_dim, Usage::COPY_SRC)?,
            k: room("k", max_tokens * w.kv_heads * w.head_dim, Usage::empty())?,
            v: room("v", max_tokens * w.kv_heads * w.head_dim, Usage::empty())?,
            fresh: if with_bytes {
                Some(room(
                    "fresh",
                    max_tokens * 2 * w.kv_heads * w.head_dim,
                    Usage::empty(),
                )?)
            } else {
                None
            },
            h: room("h", max_tokens * w.embedding, Usage::empty())?,
            a: room(
                "a",
                max_tokens * w.feed_forward.max(w.heads * w.head_dim),
                Usage::COPY_SRC,
            )?,
            partials: room(
                "partials",
                max_tokens * w.heads * MAX_SPLITS * (w.head_dim + 2),
                Usage::empty(),
            )?,
            logits: room("logits", w.vocab, Usage::COPY_SRC | Usage::COPY_DST)?,
            all_logits: None,
            readback: None,
            choice,
            recording: None,
            rows: None,
            submitted: None,
        };
        self.device.check()?;
        Ok(step)
    }

    fn embed(&mut self, step: &mut Step, table: &Weight<Buf>, tokens: &[u32], position: usize) {
        self.device
            .queue
            .write_buffer(&step.token_ids, 0, bytemuck::cast_slice(tokens));
        self.begin_at(step, tokens.len(), position, 0);
        self.record(step, "embed", id(table), |gpu, step, _| {
            gpu.embed_ops(step, table)
        });
    }

    fn attention_input(
        &mut self,
        step: &mut Step,
        cache: &mut Cache,
        block: usize,
        w: &AttentionInput<Buf>,
    ) {
        self.record(step, "attention_input", block as u32, |gpu, step, many| {
            gpu.attention_input_ops(step, cache, block, w, many)
        });
    }

    fn attend(&mut self, step: &mut Step, cache: &Cache, block: usize) {
        self.record(step, "attend", block as u32, |gpu, step, many| {
            gpu.attend_ops(step, cache, block, many)
        });
    }

    fn project_add(&mut self, step: &mut Step, w: &Weight<Buf>) {
        self.record(step, "project_add", id(w), |gpu, step, many| {
            gpu.project_add_ops(step, w, many)
        });
    }

    fn feed_forward(&mut self, step: &mut Step, w: &FeedForward<Buf>) {
        self.record(step, "feed_forward", id(w.gate), |gpu, step, many| {
            gpu.feed_forward_ops(step, w, many)
        });
    }

    fn lm_head(
        &mut self,
        step: &mut Step,
        norm: &Weight<Buf>,
        output: &Weight<Buf>,
        eps: f32,
        rows: Rows,
    ) {
        step.rows = Some(rows);
        match rows {
            Rows::Last => self.record(step, "head", id(output), |gpu, step, _| {
                gpu.head_ops(step, norm, output, eps)
            }),
            Rows::All => {
                if step.all_logits.is_none() {
                    let size_bytes = step.max_tokens * step.dims.vocab * size_of::<f32>();
                    step.all_logits = self
                        .buffer("all logits", size_bytes, Usage::STORAGE | Usage::COPY_SRC)
                        .ok();
                }
                self.record(step, "head of all", id(output), |gpu, step, _| {
                    gpu.head_of_all_ops(step, norm, output, eps)
                });
            }
        }
    }

    fn tap(&mut self, step: &mut Step, block: Option<usize>, name: &str) {
        if self.taps.named {
            let tensor = match name {
                "attn_q" => &step.q,
                "attn" | "ffn_up" => &step.a,
                _ => &step.x,
            };
            self.tap_buffer(step, &tap_name(block, name), &tensor.clone());
        }
    }

    async fn submit(&mut self, step: &mut Step) -> Result<()> {
        let submission = self.submit_with(step, |_| ());
        let before = step
            .submitted
            .replace(Fence::after(&self.device, submission));
        match before {
            Some(fence) => fence.wait(&self.device).await,
            None => self.device.check(),
        }
    }

    async fn read(&mut self, step: &mut Step, logits: &mut Vec<f32>) -> Result<()> {
        let vocab = step.dims.vocab;
        let (rows, source) = match step.rows {
            Some(Rows::All) => (step.now.tokens as usize, step.all_logits.clone()),
            _ => (1, Some(step.logits.clone())),
        };
        let size_bytes = (rows * vocab * size_of::<f32>()) as u64;
        if step
            .readback
            .as_ref()
            .is_none_or(|buffer| buffer.size() < size_bytes)
        {
            step.readback = Some(self.buffer(
                "readback",
                size_bytes as usize,
                Usage::MAP_READ | Usage::COPY_DST,
            )?);
        }
        let (Some(source), Some(readback)) = (source, step.readback.clone()) else {
            return Err(Error::new(
                Code::GpuUnsupported,
                "The GPU has no room for the logits of so many tokens.",
            ));
        };
        let submission = self.submit_with(step, |encoder| {
            encoder.copy_buffer_to_buffer(&source, 0, &readback, 0, size_bytes)
        });
        self.counters.read_bytes += size_bytes;
        logits.resize(rows * vocab, 0.0);
        let reading = Reading::after(&self.device, submission, readback, size_bytes);
        reading
            .finish(&self.device, |bytes| {
                bytemuck::cast_slice_mut(logits).copy_from_slice(bytes)
            })
            .await
            .map(drop)
    }

    /// A tile of tokens; and once it is recorded a step cannot be interrupted.
    fn min_batch(&self) -> usize {
        32
    }

    fn max_steps_ahead(&self) -> usize {
        self.device
            .options
            .steps_in_flight
            .unwrap_or(self.depth.steps())
            .min(MOST_STEPS)
    }

    fn begin_sampling(&mut self, step: &mut Step, choose: &impl TokenSampler) {
        self.prepare_choice(step, choose);
    }

    fn embed_sampled(&mut self, step: &mut Step, table: &Weight<Buf>, position: usize) {
        self.begin_at(step, 1, position, step.choice.last_slot(step.max_tokens));
        self.record(step, "embed", id(table), |gpu, step, _| {
            gpu.embed_ops(step, table)
        });
    }

    fn choose(&mut self, step: &mut Step, draw: f32) {
        self.choose_token(step, draw);
    }

    async fn read_sampled(&mut self, step: &mut Step) -> Result<SampledToken> {
        self.read_token(step).await
    }
}
