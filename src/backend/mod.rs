//! Where the arithmetic happens. A decoder is a short list of big steps, so the trait has few and big methods,
//! and each is where a backend fuses what it can.
//!
//! Recording is synchronous, reading back is not: every method that is not async only has to take the work down in order.
//! Shapes are row-major, the last axis contiguous; `tokens` is the number of tokens in this step.

pub mod cpu;
#[cfg(not(target_feature = "atomics"))]
pub mod gpu;
#[cfg(target_feature = "atomics")]
#[path = "no_gpu.rs"]
pub mod gpu;
pub mod sampling;

use crate::{Code, Error, Result, quant::DType, tensor::Weight};
use sampling::{SampledToken, TokenSampler};

/// Weights are written in groups of this many rows, which a backend may interleave.
pub const GROUP_ROWS: usize = 8;

/// The dims of a model's activations.
#[derive(Clone, Debug)]
pub struct Dims {
    pub embedding: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub feed_forward: usize,
    pub vocab: usize,
    pub layers: usize,
}

/// Which elements of a head form a rotated pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairs {
    /// (0, 1), (2, 3) ...: llama.
    Adjacent,
    /// (0, n/2), (1, n/2 + 1) ...: qwen2 and most others, GPT-NeoX's way.
    Halves,
}

/// Rotary position embedding: pair `i` at position `p` turns by `p * frequencies[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    pub pairs: RopePairs,
    /// Radians a position, `[rotated dimensions / 2]`; scaling is folded in.
    pub frequencies: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`
    Silu,
}

/// What [`Backend::attention_input`] needs of a layer.
pub struct AttentionInput<'a, Buf> {
    pub norm: &'a Weight<Buf>,
    pub q: &'a Weight<Buf>,
    pub k: &'a Weight<Buf>,
    pub v: &'a Weight<Buf>,
    pub q_bias: Option<&'a Weight<Buf>>,
    pub k_bias: Option<&'a Weight<Buf>>,
    pub v_bias: Option<&'a Weight<Buf>>,
    pub rope: &'a Rope,
    pub eps: f32,
}

/// What [`Backend::feed_forward`] needs of a layer.
pub struct FeedForward<'a, Buf> {
    pub norm: &'a Weight<Buf>,
    pub gate: &'a Weight<Buf>,
    pub up: &'a Weight<Buf>,
    pub activation: Activation,
    pub eps: f32,
}

/// Logits wanted from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    Last,
    All,
}

/// "blk.3.attn_q"
pub fn tap_name(layer: Option<usize>, name: &str) -> String {
    layer.map_or_else(|| name.to_owned(), |layer| format!("blk.{layer}.{name}"))
}

pub trait Backend {
    /// A weight's bytes, laid out as this backend's kernels like them.
    type Buf;
    /// Keys and values of every layer and position, f16.
    type Cache;
    /// The activations of one step: the residual stream `x [tokens, embedding]` and what is derived from it.
    type Step;

    /// Makes room for a weight. Errors: `out_of_memory`, `tensor_type`.
    fn alloc(&mut self, dtype: DType, rows: usize, cols: usize) -> Result<Weight<Self::Buf>>;
    /// Fills rows `first_row ..` from the file's bytes. `first_row` is a multiple of [`GROUP_ROWS`], and so is the row count but for the last call.
    fn write(&mut self, weight: &mut Weight<Self::Buf>, first_row: usize, bytes: &[u8]);
    /// Room for `context_tokens` positions. Errors: `out_of_memory`.
    fn cache(&mut self, dims: &Dims, context_tokens: usize) -> Result<Self::Cache>;
    /// Room for the activations of up to `max_tokens` tokens. Errors: `out_of_memory`.
    fn step(&mut self, dims: &Dims, max_tokens: usize) -> Result<Self::Step>;

    /// `x = table[tokens]`; the step's tokens stand at `position ..`.
    fn embed(
        &mut self,
        step: &mut Self::Step,
        table: &Weight<Self::Buf>,
        tokens: &[u32],
        position: usize,
    );
    /// `h = rms_norm(x) * norm; q = rope(q h + q_bias); cache[layer, position ..] = (rope(k h + k_bias), v h + v_bias)`
    fn attention_input(
        &mut self,
        step: &mut Self::Step,
        cache: &mut Self::Cache,
        layer: usize,
        w: &AttentionInput<Self::Buf>,
    );
    /// `a = softmax(q K^T / sqrt(head)) V` over the positions up to each token's own; query heads share key-value heads (GQA).
    fn attend(&mut self, step: &mut Self::Step, cache: &Self::Cache, layer: usize);
    /// `x += w a`, with `a` what [`Backend::attend`] or [`Backend::feed_forward`] left.
    fn project_add(&mut self, step: &mut Self::Step, w: &Weight<Self::Buf>);
    /// `h = rms_norm(x) * norm; a = activation(gate h) * (up h)`
    fn feed_forward(&mut self, step: &mut Self::Step, w: &FeedForward<Self::Buf>);
    /// `logits = output (rms_norm(x) * norm)` for the wanted rows.
    fn lm_head(
        &mut self,
        step: &mut Self::Step,
        norm: &Weight<Self::Buf>,
        output: &Weight<Self::Buf>,
        eps: f32,
        rows: Rows,
    );
    /// The step has just computed this tensor: `token_embd`, or in a layer `attn_q`, `attn`, `attn_output`, `ffn_up` or `ffn_down`. A
    /// backend that was told to look keeps a copy, under [`tap_name`].
    fn tap(&mut self, _step: &mut Self::Step, _layer: Option<usize>, _name: &str) {}
    /// Ends a step that nobody reads from, and waits while more than one is under way.
    fn submit(&mut self, _step: &mut Self::Step) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }
    /// The logits `[wanted rows, vocab]` of the last [`Backend::lm_head`].
    fn read(
        &mut self,
        step: &mut Self::Step,
        logits: &mut Vec<f32>,
    ) -> impl Future<Output = Result<()>>;

    /// A step of fewer tokens is hardly faster: they share a reading of the weights. A power of two.
    fn min_batch(&self) -> usize {
        4
    }
    /// How many steps may be under way whose tokens the host does not know yet, each following the token that the one before it chose.
    /// 0: the device chooses no tokens, and none of the methods below is called.
    fn max_steps_ahead(&self) -> usize {
        0
    }
    /// From here on the device chooses as `choose` would. SampledToken tokens that nobody has read are forgotten.
    fn begin_sampling(&mut self, _step: &mut Self::Step, _choose: &impl TokenSampler) {}
    /// As [`Backend::embed`], with the one token that the last [`Backend::choose`] left.
    fn embed_sampled(
        &mut self,
        _step: &mut Self::Step,
        _table: &Weight<Self::Buf>,
        _position: usize,
    ) {
    }
    /// Chooses a token by the logits of the last [`Backend::lm_head`], and ends the step. `draw` is [`TokenSampler::draw`]'s.
    fn choose(&mut self, _step: &mut Self::Step, _draw: f32) {}
    /// The oldest token chosen that nobody has read. Errors: `not_finite`, and those of the device.
    fn read_sampled(
        &mut self,
        _step: &mut Self::Step,
    ) -> impl Future<Output = Result<SampledToken>> {
        async {
            Err(Error::new(
                Code::InvalidArgument,
                "This backend chooses no tokens; read its logits.",
            ))
        }
    }
}
