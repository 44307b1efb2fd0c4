//! The graphics card, through WebGPU: one compute pass and one submit a step, five or six dispatches a block.
//!
//! An operation's buffers never change, so its bind group is made once, when it is first recorded, and found again by its name and
//! number. What differs from step to step lies in one small uniform (`shaders/shared/step.wgsl`) that is written before each submit.

pub mod device;
mod kernels;
pub mod pipeline;
pub mod segment;
pub mod shader;

use self::{
    device::{Device, lost},
    kernels::{MAX_SPLITS, Op, Words, splits},
    pipeline::{Key, Pipelines},
    segment::{BLOCK, Layout, Planes, segment},
};
use super::{AttentionInput, Backend, FeedForward, GROUP_ROWS, Rows, Widths};
use crate::{Code, Error, Result, quant::DType, tensor::Weight};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
};
use wgpu::BufferUsages as Usage;

/// A weight on the device.
pub enum Buf {
    /// Norms and biases, as f32: they begin at `at` in one buffer that holds them all.
    Vector {
        at: usize,
    },
    Matrix(Matrix),
}

pub struct Matrix {
    /// Tells it from every other.
    id: u32,
    layout: Layout,
    /// One, but for a matrix that is larger than a shader can see at once.
    parts: Vec<Part>,
}

/// Rows `first_row .. first_row + rows` of a matrix.
struct Part {
    first_row: usize,
    rows: usize,
    planes: Planes,
    buffer: wgpu::Buffer,
}

pub struct Cache {
    /// Of each block: two f16 a word, `[k | v, kv_heads, context, head / 2]`.
    blocks: Vec<wgpu::Buffer>,
    context_tokens: usize,
}

/// The activations of one step, all f32.
pub struct Step {
    widths: Widths,
    max_tokens: usize,
    now: Now,
    /// Prompt tokens `[max_tokens]`.
    token_ids: wgpu::Buffer,
    /// `[max_tokens, embedding]`
    x: wgpu::Buffer,
    /// `[max_tokens, heads, head]`
    q: wgpu::Buffer,
    /// `[max_tokens, heads * head]` of attention, or `[max_tokens, feed_forward]`
    a: wgpu::Buffer,
    /// `[max_tokens, heads, MAX_SPLITS, 2 + head]`
    partials: wgpu::Buffer,
    /// `[vocab]`
    logits: wgpu::Buffer,
    /// `[max_tokens, vocab]`; made when they are first asked for.
    all_logits: Option<wgpu::Buffer>,
    /// Where the logits go to be read; as large as the largest reading so far.
    readback: Option<wgpu::Buffer>,
    recording: Option<Recording>,
    /// Rows of logits that the step gives.
    rows: Option<Rows>,
}

/// `shaders/shared/step.wgsl`
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Now {
    tokens: u32,
    position: u32,
    token_at: u32,
    row: u32,
    span: u32,
    splits: u32,
    chosen_at: u32,
    top_k: u32,
    temperature: f32,
    top_p: f32,
    min_p: f32,
    repetition_penalty: f32,
    frequency_penalty: f32,
    presence_penalty: f32,
    draw: f32,
    unused: u32,
}

struct Recording {
    // The pass ends before its encoder: fields drop in this order.
    pass: wgpu::ComputePass<'static>,
    encoder: wgpu::CommandEncoder,
}

/// What was asked of the device since the backend was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub dispatches: u64,
    pub passes: u64,
    pub submits: u64,
    pub buffers: u64,
    pub bind_groups: u64,
    pub read_bytes: u64,
}

pub struct Gpu {
    device: Device,
    pipelines: Pipelines,
    step_layout: wgpu::BindGroupLayout,
    step_uniform: wgpu::Buffer,
    step_group: wgpu::BindGroup,
    ops: HashMap<(&'static str, u32), Vec<Op>>,
    next_id: u32,
    /// Every vector of the model, until the first operation needs them on the device.
    vectors: Vec<f32>,
    vectors_buffer: Option<wgpu::Buffer>,
    turns: Option<wgpu::Buffer>,
    /// Bytes of weights that wait to be copied.
    unsent_bytes: usize,
    counters: Counters,
}

/// Weights are sent off in pieces of this size, so that they do not pile up beside their buffers.
const SEND_BYTES: usize = 16 << 20;

impl Gpu {
    pub fn new(device: Device) -> Self {
        let step_uniform = device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("step"),
            size: size_of::<Now>() as u64,
            usage: Usage::UNIFORM | Usage::COPY_DST,
            mapped_at_creation: false,
        });
        let step_layout = device.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("step"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Uniform, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            }],
        });
        let step_group = device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("step"),
            layout: &step_layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: step_uniform.as_entire_binding() }],
        });
        Self {
            device,
            pipelines: Pipelines::default(),
            step_layout,
            step_uniform,
            step_group,
            ops: HashMap::new(),
            next_id: 0,
            vectors: Vec::new(),
            vectors_buffer: None,
            turns: None,
            unsent_bytes: 0,
            counters: Counters::default(),
        }
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn buffer(&mut self, label: &str, size_bytes: usize, usage: Usage) -> Result<wgpu::Buffer> {
        self.counters.buffers += 1;
        self.device.buffer(label, size_bytes as u64, usage)
    }

    /// A buffer of bytes that never change.
    fn upload(&mut self, label: &str, bytes: &[u8]) -> wgpu::Buffer {
        self.counters.buffers += 1;
        let buffer = self.device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: (bytes.len() as u64).next_multiple_of(16).max(16),
            usage: Usage::STORAGE | Usage::UNIFORM | Usage::COPY_DST,
            mapped_at_creation: false,
        });
        self.device.queue.write_buffer(&buffer, 0, bytes);
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

    fn op(&mut self, key: Key, words: &Words, buffers: &[&wgpu::Buffer], grid: [u32; 2], tokens_axis: Option<usize>) -> Op {
        let pipeline = self.pipelines.get(&self.device, &self.step_layout, key);
        let uniform = self.upload(pipeline.name, words.as_bytes());
        // Bindings are numbered in the order of the buffers, and a shader that takes fewer leaves numbers out.
        let entries: Vec<_> = std::iter::once(&uniform)
            .chain(buffers.iter().copied())
            .zip(&pipeline.bindings)
            .map(|(buffer, &binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        self.counters.bind_groups += 1;
        let group = self.device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(pipeline.name),
            layout: &pipeline.layout,
            entries: &entries,
        });
        Op { pipeline, group, grid, tokens_axis }
    }

    /// Records the operations of this name and number, which `make` gives when they are new.
    fn record(&mut self, step: &mut Step, name: &'static str, id: u32, make: impl FnOnce(&mut Self, &Step) -> Vec<Op>) {
        if !self.ops.contains_key(&(name, id)) {
            let ops = make(self, step);
            self.ops.insert((name, id), ops);
        }
        let (Some(ops), Some(recording)) = (self.ops.get(&(name, id)), &mut step.recording) else { return };
        for op in ops {
            let mut grid = [op.grid[0], op.grid[1], 1];
            if let Some(axis) = op.tokens_axis {
                grid[axis] = step.now.tokens;
            }
            if op.pipeline.name == "attend" {
                grid[1] = step.now.splits;
            }
            recording.pass.set_pipeline(&op.pipeline.pipeline);
            recording.pass.set_bind_group(1, &op.group, &[]);
            recording.pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
            self.counters.dispatches += 1;
        }
    }

    fn begin(&mut self, step: &mut Step) {
        let mut encoder = self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("step") });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime();
        pass.set_bind_group(0, &self.step_group, &[]);
        self.counters.passes += 1;
        step.recording = Some(Recording { pass, encoder });
    }

    /// Ends the pass, and lets `after` add copies before the commands go off.
    fn submit_with(&mut self, step: &mut Step, after: impl FnOnce(&mut wgpu::CommandEncoder)) {
        let Some(Recording { pass, mut encoder }) = step.recording.take() else { return };
        drop(pass);
        after(&mut encoder);
        self.device.queue.write_buffer(&self.step_uniform, 0, bytemuck::bytes_of(&step.now));
        self.device.queue.submit([encoder.finish()]);
        self.counters.submits += 1;
    }
}

impl Backend for Gpu {
    type Buf = Buf;
    type Cache = Cache;
    type Step = Step;

    fn alloc(&mut self, dtype: DType, rows: usize, cols: usize) -> Result<Weight<Buf>> {
        if rows == 1 {
            let at = self.vectors.len();
            self.vectors.resize((at + cols).next_multiple_of(4), 0.0);
            return Ok(Weight { dtype, rows, cols, buf: Buf::Vector { at } });
        }
        let Some(layout) = Layout::of(dtype).filter(|_| cols.is_multiple_of(BLOCK)) else {
            let message = format!("The GPU has no kernel for {} weights with {cols} columns.", dtype.name());
            return Err(Error::new(Code::GpuUnsupported, message));
        };
        let blocks = cols / BLOCK;
        let limit = self.device.max_binding_bytes() as usize;
        // Of each 8 rows; their planes are padded a little.
        let group_bytes = layout.planes(GROUP_ROWS * blocks).size_bytes;
        let part_rows = limit.saturating_sub(64) / group_bytes * GROUP_ROWS;
        if part_rows == 0 {
            return Err(Error::new(Code::GpuUnsupported, format!("A row of {cols} weights is more than the GPU takes at once.")));
        }
        let mut parts = Vec::new();
        for first_row in (0..rows).step_by(part_rows) {
            let rows = part_rows.min(rows - first_row);
            let planes = layout.planes(rows.next_multiple_of(GROUP_ROWS) * blocks);
            let buffer = self.buffer("weight", planes.size_bytes, Usage::STORAGE | Usage::COPY_DST)?;
            parts.push(Part { first_row, rows, planes, buffer });
        }
        self.device.check()?;
        self.next_id += 1;
        Ok(Weight { dtype, rows, cols, buf: Buf::Matrix(Matrix { id: self.next_id, layout, parts }) })
    }

    fn write(&mut self, weight: &mut Weight<Buf>, first_row: usize, bytes: &[u8]) {
        match &weight.buf {
            Buf::Vector { at } => {
                // Whoever loads asks for nothing of no length.
                if !bytes.is_empty() {
                    weight.dtype.dequantize(bytes, &mut self.vectors[*at..at + weight.cols]);
                }
            }
            Buf::Matrix(matrix) => {
                let blocks = weight.cols / BLOCK;
                let row_bytes = weight.cols / weight.dtype.block_len() * weight.dtype.block_bytes();
                let end_row = first_row + bytes.len() / row_bytes;
                for part in &matrix.parts {
                    let (from, to) = (first_row.max(part.first_row), end_row.min(part.first_row + part.rows));
                    if from >= to {
                        continue;
                    }
                    let planes = segment(weight.dtype, &bytes[(from - first_row) * row_bytes..(to - first_row) * row_bytes]);
                    let offsets = matrix.layout.offsets((from - part.first_row) * blocks);
                    for ((plane, at), offset) in planes.iter().zip(part.planes.at).zip(offsets).filter(|((plane, _), _)| !plane.is_empty())
                    {
                        self.device.queue.write_buffer(&part.buffer, (at + offset) as u64, plane);
                    }
                }
                self.unsent_bytes += bytes.len();
                if self.unsent_bytes > SEND_BYTES {
                    self.unsent_bytes = 0;
                    self.device.queue.submit([]);
                    self.device.poll();
                }
            }
        }
    }

    fn cache(&mut self, widths: &Widths, context_tokens: usize) -> Result<Cache> {
        let block_bytes = 2 * widths.kv_heads * context_tokens * widths.head * size_of::<u16>();
        let blocks = (0..widths.blocks).map(|_| self.buffer("cache", block_bytes, Usage::STORAGE)).collect::<Result<_>>()?;
        self.device.check()?;
        Ok(Cache { blocks, context_tokens })
    }

    fn step(&mut self, widths: &Widths, max_tokens: usize) -> Result<Step> {
        let w = widths;
        if !w.head.is_multiple_of(8) || !w.heads.is_multiple_of(w.kv_heads) {
            return Err(Error::new(Code::GpuUnsupported, format!("The GPU has no kernel for attention heads of {} elements.", w.head)));
        }
        let mut room = |label, len: usize, usage| self.buffer(label, len * size_of::<f32>(), Usage::STORAGE | usage);
        let step = Step {
            widths: w.clone(),
            max_tokens,
            now: Now::default(),
            token_ids: room("token ids", max_tokens, Usage::COPY_DST)?,
            x: room("x", max_tokens * w.embedding, Usage::empty())?,
            q: room("q", max_tokens * w.heads * w.head, Usage::empty())?,
            a: room("a", max_tokens * w.feed_forward.max(w.heads * w.head), Usage::empty())?,
            partials: room("partials", max_tokens * w.heads * MAX_SPLITS * (w.head + 2), Usage::empty())?,
            logits: room("logits", w.vocab, Usage::COPY_SRC)?,
            all_logits: None,
            readback: None,
            recording: None,
            rows: None,
        };
        self.device.check()?;
        Ok(step)
    }

    fn embed(&mut self, step: &mut Step, table: &Weight<Buf>, tokens: &[u32], position: usize) {
        let (span, splits) = splits(position + tokens.len());
        step.now = Now {
            tokens: tokens.len() as u32,
            position: position as u32,
            row: tokens.len() as u32 - 1,
            span: span as u32,
            splits: splits as u32,
            ..Now::default()
        };
        step.rows = None;
        self.device.queue.write_buffer(&step.token_ids, 0, bytemuck::cast_slice(tokens));
        self.begin(step);
        self.record(step, "embed", id(table), |gpu, step| gpu.embed_ops(step, table));
    }

    fn attention_input(&mut self, step: &mut Step, cache: &mut Cache, block: usize, w: &AttentionInput<Buf>) {
        self.record(step, "attention_input", block as u32, |gpu, step| gpu.attention_input_ops(step, cache, block, w));
    }

    fn attend(&mut self, step: &mut Step, cache: &Cache, block: usize) {
        self.record(step, "attend", block as u32, |gpu, step| gpu.attend_ops(step, cache, block));
    }

    fn project_add(&mut self, step: &mut Step, w: &Weight<Buf>) {
        self.record(step, "project_add", id(w), |gpu, step| gpu.project_add_ops(step, w));
    }

    fn feed_forward(&mut self, step: &mut Step, w: &FeedForward<Buf>) {
        self.record(step, "feed_forward", id(w.gate), |gpu, step| gpu.feed_forward_ops(step, w));
    }

    fn head(&mut self, step: &mut Step, norm: &Weight<Buf>, output: &Weight<Buf>, eps: f32, rows: Rows) {
        step.rows = Some(rows);
        match rows {
            Rows::Last => self.record(step, "head", id(output), |gpu, step| gpu.head_ops(step, norm, output, eps, &step.logits)),
            Rows::All => {
                if step.all_logits.is_none() {
                    let size_bytes = step.max_tokens * step.widths.vocab * size_of::<f32>();
                    step.all_logits = self.buffer("all logits", size_bytes, Usage::STORAGE | Usage::COPY_SRC).ok();
                }
                self.record(step, "head of all", id(output), |gpu, step| {
                    step.all_logits.as_ref().map_or_else(Vec::new, |out| gpu.head_ops(step, norm, output, eps, out))
                });
            }
        }
    }

    fn submit(&mut self, step: &mut Step) {
        self.submit_with(step, |_| ());
    }

    async fn read(&mut self, step: &mut Step, logits: &mut Vec<f32>) -> Result<()> {
        let vocab = step.widths.vocab;
        let (rows, source) = match step.rows {
            Some(Rows::All) => (step.now.tokens as usize, step.all_logits.clone()),
            _ => (1, Some(step.logits.clone())),
        };
        let size_bytes = (rows * vocab * size_of::<f32>()) as u64;
        if step.readback.as_ref().is_none_or(|buffer| buffer.size() < size_bytes) {
            step.readback = Some(self.buffer("readback", size_bytes as usize, Usage::MAP_READ | Usage::COPY_DST)?);
        }
        let (Some(source), Some(readback)) = (source, step.readback.clone()) else {
            return Err(Error::new(Code::GpuUnsupported, "The GPU has no room for the logits of so many tokens."));
        };
        self.submit_with(step, |encoder| encoder.copy_buffer_to_buffer(&source, 0, &readback, 0, size_bytes));
        self.counters.read_bytes += size_bytes;
        logits.resize(rows * vocab, 0.0);
        mapped(&self.device, &readback, size_bytes, |bytes| bytemuck::cast_slice_mut(logits).copy_from_slice(bytes)).await
    }
}

/// The number of a matrix; 0 for a vector, which no operation is named after.
fn id(weight: &Weight<Buf>) -> u32 {
    match &weight.buf {
        Buf::Matrix(matrix) => matrix.id,
        Buf::Vector { .. } => 0,
    }
}

type Mapped = Option<std::result::Result<(), wgpu::BufferAsyncError>>;

/// Waits until a buffer's first bytes can be read, and hands them to `take`.
async fn mapped(device: &Device, buffer: &wgpu::Buffer, len_bytes: u64, take: impl FnOnce(&[u8])) -> Result<()> {
    fn lock<T>(state: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    let state: Arc<Mutex<(Mapped, Option<Waker>)>> = Arc::default();
    let done = Arc::clone(&state);
    buffer.map_async(wgpu::MapMode::Read, 0..len_bytes, move |result| {
        let mut state = lock(&done);
        state.0 = Some(result);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    });
    device.poll();
    let result = std::future::poll_fn(|context| {
        let mut state = lock(&state);
        match state.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                state.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await;
    device.check()?;
    result.map_err(|_| unreadable())?;
    take(&buffer.get_mapped_range(0..len_bytes).map_err(|_| unreadable())?);
    buffer.unmap();
    Ok(())
}

fn unreadable() -> Error {
    lost("its memory could not be read")
}
