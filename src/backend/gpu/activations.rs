//! The activations of one step.

use super::{
    device::readback::Fence,
    kernels::{StepParams, matmul::narrow_tile::TOKENS},
    sampler::GpuSampler,
};
use crate::backend::{Dims, Rows};
use wgpu::Buffer;

/// The activations of one step, all of them f32.
#[derive(Debug)]
pub struct Activations {
    /// A number that no other activations of the backend have.
    pub id: u32,
    /// The model's sizes.
    pub dims: Dims,
    /// The most tokens of a step.
    pub max_tokens: usize,
    /// What differs from step to step.
    pub params: StepParams,
    /// Prompt tokens `[max_tokens]`, then a ring of sampled ones `[MAX_STEPS]`.
    pub token_ids: Buffer,
    /// The residual stream, `[max_tokens, embedding]`.
    pub x: Buffer,
    /// `[max_tokens, heads, head_dim]`
    pub q: Buffer,
    /// `[max_tokens, kv_heads, head_dim]`
    pub k: Buffer,
    /// `[max_tokens, kv_heads, head_dim]`
    pub v: Buffer,
    /// Keys and values on their way to a cache of bytes, `[max_tokens, k | v, kv_heads, head_dim]`.
    pub kv_staging: Option<Buffer>,
    /// `x` normed, `[max_tokens, embedding]`.
    pub h: Buffer,
    /// What goes into a convolution, `[max_tokens, b | c | u, embedding]` or
    /// `[max_tokens, channels]`, in a model that has any; and queries with gates,
    /// `[max_tokens, heads, q | gate, head_dim]`.
    pub bcu: Option<Buffer>,
    /// What layers take beside `x`, and a projection that is added to it,
    /// `[max_tokens, layers, input]` each, in a model that has any.
    pub inputs: Option<[Buffer; 2]>,
    /// What a DeltaNet takes, `[max_tokens, channels]`, in a model that has any. Its gates are in
    /// `q`, its betas in `k`, and its alphas in `v`.
    pub convolved: Option<Buffer>,
    /// `[max_tokens, heads * head_dim]` of attention, `[max_tokens, embedding]` of a convolution,
    /// `[max_tokens, values]` of a DeltaNet, or `[max_tokens, feed_forward]`.
    pub a: Buffer,
    /// The splits of attention, `[max_tokens, heads, MAX_SPLITS, 2 + head_dim]`.
    pub partials: Buffer,
    /// `[vocab]`
    pub logits: Buffer,
    /// `[TOKENS, vocab]` for steps of the narrow tile, and `[max_tokens, vocab]` for others; made
    /// when they are first asked for.
    pub few_or_all_logits: [Option<Buffer>; 2],
    /// Where the logits go to be read; as large as the largest reading so far.
    pub readback: Option<Buffer>,
    /// What sampling keeps between tokens.
    pub sampler: GpuSampler,
    /// The commands of the step that is being recorded.
    pub commands: Option<Commands>,
    /// Which rows of logits the step gives.
    pub rows: Option<Rows>,
    /// The end of the last step that nobody reads from.
    pub submitted: Option<Fence>,
}

/// Commands that are being recorded: a compute pass in its encoder.
#[derive(Debug)]
pub struct Commands {
    /// The pass. It ends before its encoder, for fields drop in their order.
    pub pass: wgpu::ComputePass<'static>,
    /// The encoder.
    pub encoder: wgpu::CommandEncoder,
}

impl Activations {
    /// Returns the logits of every token of the step, if they were made.
    pub fn all_logits(&self) -> &Option<Buffer> {
        &self.few_or_all_logits[self.logits_index()]
    }

    /// Returns where they belong, and for how many tokens there is to be room.
    pub fn all_logits_mut(&mut self) -> (&mut Option<Buffer>, usize) {
        let index = self.logits_index();
        let tokens = [TOKENS.min(self.max_tokens), self.max_tokens][index];
        (&mut self.few_or_all_logits[index], tokens)
    }

    fn logits_index(&self) -> usize {
        usize::from(self.params.tokens as usize > TOKENS)
    }
}
