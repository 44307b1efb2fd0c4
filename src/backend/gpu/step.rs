//! The activations of one step, and the little that differs from step to step.

use super::{
    depth::MOST_STEPS,
    waiting::{Fence, Reading},
};
use crate::backend::{Rows, Widths, choice::Filters};
use std::collections::VecDeque;

/// Slices of the vocabulary, for as many workgroups.
pub const SLICES: usize = 64;

pub struct Cache {
    /// Of each block: two f16 a word, `[k | v, kv_heads, context, head / 2]`.
    pub blocks: Vec<wgpu::Buffer>,
    pub context_tokens: usize,
}

/// The activations of one step, all f32.
pub struct Step {
    pub widths: Widths,
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
    pub choice: Choice,
    pub recording: Option<Recording>,
    /// Rows of logits that the step gives.
    pub rows: Option<Rows>,
    /// The last submit that nobody reads from.
    pub submitted: Option<Fence>,
}

/// What choosing a token needs.
pub struct Choice {
    pub filters: Filters,
    /// `[vocab]`: 0 unseen, 1 in the prompt, 1 + n in the answer n times
    pub marks: wgpu::Buffer,
    /// Added to the logits, `[vocab]`.
    pub bias: wgpu::Buffer,
    /// `[SLICES]`: order and token
    pub maxima: wgpu::Buffer,
    /// `[SLICES, slice]`: order and token
    pub kept: wgpu::Buffer,
    /// `[SLICES]`
    pub counts: wgpu::Buffer,
    /// Whether marks or biases change anything.
    pub penalized: bool,
    /// How many tokens were chosen since the step was made.
    pub chosen: usize,
    /// Tokens on their way to the host, the oldest first.
    pub unread: VecDeque<Reading>,
    /// Buffers of four bytes that no reading has.
    pub idle: Vec<wgpu::Buffer>,
}

impl Choice {
    /// Where in `token_ids` the chosen token number `n` lies.
    pub fn slot(max_tokens: usize, n: usize) -> u32 {
        (max_tokens + n % MOST_STEPS) as u32
    }
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
}

impl Now {
    pub fn choosing(self, filters: &Filters) -> Self {
        let &Filters { repetition_penalty, frequency_penalty, presence_penalty, temperature, top_k, top_p, min_p } = filters;
        Self { repetition_penalty, frequency_penalty, presence_penalty, temperature, top_k, top_p, min_p, ..self }
    }
}

pub struct Recording {
    // The pass ends before its encoder: fields drop in this order.
    pub pass: wgpu::ComputePass<'static>,
    pub encoder: wgpu::CommandEncoder,
}
