//! The activations of one step, and the little that differs from step to step.

use super::{choosing::GpuSampler, waiting::Fence};
use crate::backend::{Dims, Rows};

pub struct Cache {
    /// Of each block `[k | v, kv_heads, context, head]`, as `shaders/shared/cache.wgsl` reads it.
    pub blocks: Vec<wgpu::Buffer>,
    pub context_tokens: usize,
}

/// The activations of one step, all f32.
pub struct Step {
    pub dims: Dims,
    pub max_tokens: usize,
    pub now: Now,
    /// Prompt tokens `[max_tokens]`, then a ring of chosen ones `[MOST_STEPS]`.
    pub token_ids: wgpu::Buffer,
    /// `[max_tokens, embedding]`
    pub x: wgpu::Buffer,
    /// `[max_tokens, heads, head]`
    pub q: wgpu::Buffer,
    /// `[max_tokens, kv_heads, head]`
    pub k: wgpu::Buffer,
    pub v: wgpu::Buffer,
    /// `[max_tokens, k | v, kv_heads, head]`, on their way to a cache of bytes.
    pub fresh: Option<wgpu::Buffer>,
    /// `x` normed `[max_tokens, embedding]`
    pub h: wgpu::Buffer,
    /// `[max_tokens, heads * head]` of attention, or `[max_tokens, feed_forward]`
    pub a: wgpu::Buffer,
    /// `[max_tokens, heads, MAX_SPLITS, 2 + head]`
    pub partials: wgpu::Buffer,
    /// `[vocab]`
    pub logits: wgpu::Buffer,
    /// `[max_tokens, vocab]`; made when they are first asked for.
    pub all_logits: Option<wgpu::Buffer>,
    /// Where the logits go to be read; as large as the largest reading so far.
    pub readback: Option<wgpu::Buffer>,
    pub choice: GpuSampler,
    pub recording: Option<Recording>,
    /// Rows of logits that the step gives.
    pub rows: Option<Rows>,
    /// The last submit that nobody reads from.
    pub submitted: Option<Fence>,
}

/// `shaders/shared/step.wgsl`
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Now {
    pub tokens: u32,
    pub position: u32,
    pub token_at: u32,
    pub row: u32,
    pub span: u32,
    pub splits: u32,
    pub chosen_at: u32,
    pub top_k: u32,
    pub temperature: f32,
    pub top_p: f32,
    pub min_p: f32,
    pub repetition_penalty: f32,
    pub frequency_penalty: f32,
    pub presence_penalty: f32,
    pub draw: f32,
    pub penalized: u32,
    pub masked: u32,
    pub top_logprobs: u32,
}

pub struct Recording {
    // The pass ends before its encoder: fields drop in this order.
    pub pass: wgpu::ComputePass<'static>,
    pub encoder: wgpu::CommandEncoder,
}
