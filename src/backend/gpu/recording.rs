//! What is recorded, and how it is found again: a dispatch by everything that it binds.

use super::{
    activations::Activations,
    kernels::{StepParams, matmul::narrow_tile},
    shader::Pipeline,
};
use std::{fmt, rc::Rc};

/// How many tokens a step has, as far as kernels differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Width {
    /// One token, whose products do what comes before and after them too (`matmul/matvec`).
    One,
    /// Tokens of a draft, or the end of a prompt (`matmul/narrow_tile`).
    Few,
    /// Tokens of a prompt (`matmul/tile`, `attention/prefill`).
    Many,
}

impl Width {
    /// Returns the width of a step of so many tokens.
    pub(super) fn of(tokens: u32) -> Self {
        match tokens as usize {
            0 | 1 => Self::One,
            2..=narrow_tile::TOKENS => Self::Few,
            _ => Self::Many,
        }
    }
}

/// A part of a step, whose dispatches are recorded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    /// The rows of the token table.
    Embed,
    /// What layers take beside the residual stream.
    LayerInputs,
    /// The gate of what a layer takes so.
    GateLayerInput,
    /// Norm, q, k and v, rotation, and the cache.
    AttentionInput,
    /// Attention.
    Attend,
    /// Norm, projections, a short convolution, and its inputs to the cache.
    ShortConv,
    /// Norm, projections, a convolution and the delta rule, from state to state.
    DeltaNet,
    /// A product that is added to the residual stream.
    ProjectAdd,
    /// Norm, gate and up.
    FeedForward,
    /// The logits of one row.
    LmHead,
    /// The logits of all rows.
    LmHeadAll,
    /// The norm of all rows after the last layer.
    Hidden,
    /// The likeliest token of each row.
    Argmax,
    /// What log-probabilities are made of.
    TopLogprobs,
    /// Penalties, filters and the draw.
    Sample,
    /// The log-probabilities.
    Logprobs,
}

/// Everything that an operation's dispatches bind. 0 stands for what it does not bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RecordingKey {
    operation: Operation,
    activations: u32,
    /// How many tokens go at once.
    pub width: Width,
    weight: u32,
    cache: u32,
    layer: usize,
    rope_table: usize,
}

impl RecordingKey {
    /// Begins the key of an operation that binds the activations alone.
    pub(super) fn new(operation: Operation, step: &Activations) -> Self {
        Self {
            operation,
            activations: step.id,
            width: Width::of(step.params.tokens),
            weight: 0,
            cache: 0,
            layer: 0,
            rope_table: 0,
        }
    }

    /// Adds a weight by its number, and with it those that always come with it.
    pub(super) fn weight(self, id: u32) -> Self {
        Self { weight: id, ..self }
    }

    /// Adds a layer of a cache.
    pub(super) fn cache(self, id: u32, layer: usize) -> Self {
        Self {
            cache: id,
            layer,
            ..self
        }
    }

    /// Adds a rope table.
    pub(super) fn rope_table(self, rope_table: usize) -> Self {
        Self { rope_table, ..self }
    }
}

/// Returns the workgroups of a step; none where the step does not need the kernel.
pub(super) type Grid = Box<dyn Fn(&StepParams) -> Option<[u32; 3]>>;

/// A kernel whose buffers are bound.
pub(super) struct Dispatch {
    /// What is dispatched.
    pub pipeline: Rc<Pipeline>,
    /// The buffers.
    pub group: wgpu::BindGroup,
    /// How far the grid reaches.
    pub grid: Grid,
    /// What it reads of weights and of the cache.
    pub reads: Reads,
}

/// The bytes that a dispatch reads, but for activations, which are few and in the caches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reads {
    /// Of weights.
    pub weight_bytes: u64,
    /// Of the KV cache, for each position up to the step's last one.
    pub position_bytes: u64,
}

impl Reads {
    /// Returns the bytes that are read in a step.
    pub(super) fn bytes(self, params: &StepParams) -> u64 {
        let positions = u64::from(params.position + params.tokens);
        self.weight_bytes + positions * self.position_bytes
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dispatch")
            .field(&self.pipeline.label)
            .finish()
    }
}
