//! A backend does the arithmetic of a decoder. A decoder is a short list of big operations, so the
//! trait has few and big methods, and each is where a backend fuses what it can.
//!
//! Recording is synchronous, reading back is not: every method that is not async only has to record
//! the work in order. Shapes are row-major, the last axis contiguous; `tokens` is the number of
//! tokens in a step.

pub mod cpu;
mod dims;
pub mod exponentials;
pub mod gpu;
mod operands;
pub mod sampling;

pub use dims::Dims;
pub use operands::{
    Activation, Attention, AttentionInput, CacheSize, DeltaDims, DeltaNet, FeedForward, GELU,
    LayerInputs, LmHead, LogitScale, PostNorm, Rope, RopePairs, ShortConv, StateEntries,
};

use crate::{Code, Error, Result, quant::DType, tensor::Weight};
use sampling::{SampledToken, TokenSampler};
use std::ops::Range;

/// Weights are written in groups of this number of rows, which a backend may interleave.
pub const GROUP_ROWS: usize = 8;

/// Says of which tokens of a step logits are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Logits are wanted of the last token.
    Last,
    /// Logits are wanted of every token.
    All,
    /// Logits are wanted of `count` tokens from token `first` on.
    Part {
        /// Holds the number of the first of the tokens in the step.
        first: usize,
        /// Counts the tokens.
        count: usize,
    },
}

impl Rows {
    /// Returns the numbers of the wanted tokens in a step of `tokens`.
    pub fn range(self, tokens: usize) -> Range<usize> {
        match self {
            Rows::Last => tokens - 1..tokens,
            Rows::All => 0..tokens,
            Rows::Part { first, count } => first..first + count,
        }
    }
}

/// Returns the name of a tensor that a step computes, such as "blk.3.attn_q".
pub fn tap_name(layer: Option<usize>, name: &str) -> String {
    layer.map_or_else(|| name.to_owned(), |layer| format!("blk.{layer}.{name}"))
}

/// Does the arithmetic of a decoder on one kind of device.
pub trait Backend {
    /// Holds a weight's bytes, laid out as this backend's kernels take them.
    type Buf;
    /// Holds the KV cache, f16: keys and values of the last positions in each layer that attends,
    /// and in each other the inputs of its convolution. Both kinds of layers are counted from 0.
    type Cache;
    /// Holds the activations of one step: the residual stream `x [tokens, embedding]` and what is
    /// derived from it.
    type Step;

    /// Returns the size in bytes of a weight as this backend lays it out: that in the file, unless
    /// the backend says otherwise.
    fn weight_bytes(&self, dtype: DType, rows: usize, cols: usize) -> u64 {
        let values = (rows as u64).saturating_mul(cols as u64);
        dtype.size_bytes(values).unwrap_or(u64::MAX)
    }
    /// Allocates a weight.
    ///
    /// # Errors
    /// `out_of_memory`; `tensor_type` when no kernel reads `dtype`.
    fn alloc(&mut self, dtype: DType, rows: usize, cols: usize) -> Result<Weight<Self::Buf>>;
    /// Fills rows `first_row ..` from the file's bytes. `first_row` is a multiple of
    /// [`GROUP_ROWS`], and so is the number of rows but for the last call.
    fn write(&mut self, weight: &mut Weight<Self::Buf>, first_row: usize, bytes: &[u8]);
    /// Takes note that a weight is whole. What computes with it may be slow the first times, and a
    /// backend may spend some milliseconds on that while the rest of the file is fetched.
    fn warm_up(&mut self, _weight: &Weight<Self::Buf>) {}
    /// Returns whether operations heed the changes ([`Weight::changes`]) of a tensor, by its name in
    /// the file. Where they do not, it has none.
    fn takes_changes(&self, _tensor: &str) -> bool {
        false
    }
    /// Makes ready for changes of this rank, in steps of up to `max_tokens` tokens. Returns the rank
    /// to which zeros are to fill them up.
    ///
    /// # Errors
    /// `out_of_memory`.
    fn adapter_rank(&mut self, _dims: &Dims, _max_tokens: usize, rank: usize) -> Result<usize> {
        Ok(rank)
    }
    /// Sets the scale of each adapter by its number, from the next operation on. Those that are not
    /// listed change nothing.
    fn set_adapters(&mut self, _scales: &[f32]) {}
    /// Allocates a KV cache.
    ///
    /// # Errors
    /// `out_of_memory`.
    fn cache(&mut self, dims: &Dims, size: &CacheSize) -> Result<Self::Cache>;
    /// Returns whether the device has memory of its own, so that what is allocated early takes none
    /// of the host's while a file is read.
    fn has_own_memory(&self) -> bool {
        false
    }
    /// Returns the bytes of a KV cache.
    fn cache_bytes(&self, dims: &Dims, size: &CacheSize) -> usize;
    /// Copies the positions that are listed for each layer, as [`CacheSize::layers`] lists them,
    /// from one cache to another of the same size, which then holds nothing else.
    fn copy_cache(&mut self, from: &Self::Cache, to: &mut Self::Cache, positions: &[Range<usize>]);
    /// Returns what is cached at the positions that are listed for each layer, as the bits of f16:
    /// keys and values, `[layers, k | v, kv_heads, positions, head_dim]`, and behind them the
    /// inputs of convolutions, `[layers, positions, embedding]`, or the halves of states' f32,
    /// `[layers, states, state]`, which is the same for every backend. Keys are rotated for the
    /// positions that they stand at.
    ///
    /// # Errors
    /// `out_of_memory`, and those of the device.
    fn export(
        &mut self,
        dims: &Dims,
        cache: &Self::Cache,
        positions: &[Range<usize>],
    ) -> impl Future<Output = Result<Vec<u16>>>;
    /// Stores keys and values, laid out as [`Backend::export`] gives them, at the positions that
    /// are listed for each layer. Of more than a layer has room for, it keeps the last ones.
    fn import(
        &mut self,
        dims: &Dims,
        cache: &mut Self::Cache,
        positions: &[Range<usize>],
        kv: &[u16],
    );
    /// Returns the bytes of the host's memory that the activations of up to `max_tokens` tokens
    /// take; none where the device has memory of its own.
    fn step_bytes(&self, _dims: &Dims, _max_tokens: usize) -> u64 {
        0
    }
    /// Allocates the activations of up to `max_tokens` tokens.
    ///
    /// # Errors
    /// `out_of_memory`.
    fn step(&mut self, dims: &Dims, max_tokens: usize) -> Result<Self::Step>;

    /// Computes `x = scale * table[tokens]`, which begins a step; its tokens stand at
    /// `position ..`.
    fn embed(
        &mut self,
        step: &mut Self::Step,
        table: &Weight<Self::Buf>,
        scale: f32,
        tokens: &[u32],
        position: usize,
    );
    /// Returns whether the device runs encoders. Where it does not, the methods that only they need
    /// are never called: [`Backend::add_rows`], [`Backend::layer_norm`], [`Backend::activate`] and
    /// [`Backend::dense`].
    fn runs_encoders(&self) -> bool {
        false
    }
    /// Computes `x += table[rows]` for each token of a step, whose row is that of its position, or
    /// the first of all.
    fn add_rows(
        &mut self,
        _step: &mut Self::Step,
        _table: &Weight<Self::Buf>,
        _are_of_positions: bool,
    ) {
    }
    /// Computes `x = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias`.
    fn layer_norm(
        &mut self,
        _step: &mut Self::Step,
        _weight: &Weight<Self::Buf>,
        _bias: &Weight<Self::Buf>,
        _eps: f32,
    ) {
    }
    /// Computes `a = activation(up x + bias)`: a feed-forward network without a gate.
    fn activate(
        &mut self,
        _step: &mut Self::Step,
        _up: &Weight<Self::Buf>,
        _bias: Option<&Weight<Self::Buf>>,
        _activation: Activation,
    ) {
    }
    /// Computes `pooled = w pooled` of one vector, which belongs to no token.
    fn dense(&mut self, _step: &mut Self::Step, _w: &Weight<Self::Buf>, _pooled: &mut Vec<f32>) {}
    /// Computes what each layer takes beside the residual stream, which begins a step behind
    /// [`Backend::embed`]: `i = tokens + rms_norm(proj x) * norm`, where each layer's part of
    /// `tokens [tokens, layers, input]` is normed by itself.
    fn layer_inputs(&mut self, step: &mut Self::Step, w: &LayerInputs<Self::Buf>, tokens: &[f32]);
    /// Computes `a = activation(gate x) * i[layer]` with the `i` of [`Backend::layer_inputs`].
    fn gate_layer_input(
        &mut self,
        step: &mut Self::Step,
        layer: usize,
        gate: &Weight<Self::Buf>,
        activation: Activation,
    );
    /// Computes `h = rms_norm(x) * norm; q = rope(q h + q_bias)` and stores
    /// `cache[layer, position ..] = (rope(k h + k_bias), v h + v_bias)`. Without a norm, `h = x`;
    /// queries, keys and values that have norms of their own go through them before they are
    /// rotated. Without a projection to keys, the layer of the cache is another one's, and stays.
    fn attention_input(
        &mut self,
        step: &mut Self::Step,
        cache: &mut Self::Cache,
        layer: usize,
        w: &AttentionInput<Self::Buf>,
    );
    /// Computes `a = softmax(scale * q K^T) V` over the positions of the window up to each token's
    /// own, or as far behind it; query heads share key-value heads (GQA). Where queries
    /// came with gates, `a = a sigmoid(gate)`.
    fn attend(
        &mut self,
        step: &mut Self::Step,
        cache: &Self::Cache,
        layer: usize,
        attention: &Attention,
    );
    /// Computes `b, c, u = in_proj (rms_norm(x) * norm)`, stores `cache[layer, position ..] = b u`,
    /// and computes `a = c sum_i(conv[.., i] cache[layer, p - taps + 1 + i])` of the token at each
    /// position `p`: a convolution of each channel by itself, with zeros before position 0.
    fn short_conv(
        &mut self,
        step: &mut Self::Step,
        cache: &mut Self::Cache,
        layer: usize,
        w: &ShortConv<Self::Buf>,
    );
    /// Computes a gated DeltaNet, token by token, from state `entries.from` of the layer, and
    /// leaves what the last token makes of it as state `entries.to`.
    ///
    /// With `h = rms_norm(x) * norm` and `q, k, v = silu(conv(qkv h))`, `q` and `k` at length 1, it
    /// computes of each value head `S = exp(a softplus(alpha h + dt)) S`, then
    /// `S += k (sigmoid(beta h) (v - S^T k))^T`, and
    /// `a = rms_norm(S^T q / sqrt(key_dim)) * out_norm * silu(gate h)` (Yang et al., arXiv
    /// 2412.06464).
    fn delta_net(
        &mut self,
        step: &mut Self::Step,
        cache: &mut Self::Cache,
        layer: usize,
        entries: StateEntries,
        w: &DeltaNet<Self::Buf>,
    );
    /// Computes `x += w a + bias` with the `a` of the last [`Backend::attend`],
    /// [`Backend::short_conv`], [`Backend::delta_net`], [`Backend::feed_forward`] or
    /// [`Backend::gate_layer_input`], or
    /// `x = post.scale * (x + rms_norm(w a + bias) * post.norm)`.
    fn project_add(
        &mut self,
        step: &mut Self::Step,
        w: &Weight<Self::Buf>,
        bias: Option<&Weight<Self::Buf>>,
        post: Option<&PostNorm<Self::Buf>>,
    );
    /// Computes `h = rms_norm(x) * norm; a = activation(gate h + gate_bias) * (up h + up_bias)`.
    /// Without a norm, `h = x`.
    fn feed_forward(&mut self, step: &mut Self::Step, w: &FeedForward<Self::Buf>);
    /// Computes `logits = output (rms_norm(x) * norm) + bias` of the wanted tokens, as `scale` has
    /// them.
    fn lm_head(&mut self, step: &mut Self::Step, w: &LmHead<Self::Buf>, rows: Rows);
    /// Tells that the step has just computed a tensor: `token_embd`, or in a layer `attn_q`,
    /// `attn`, `attn_output` (`conv` and `conv_output` of a convolution, `delta` and
    /// `delta_output` of a DeltaNet), `ffn_up` or `ffn_down`, and
    /// `layer_output` where it takes an input of its own.
    /// A backend that was told to keep tensors keeps a copy under its [`tap_name`].
    fn tap(&mut self, _step: &mut Self::Step, _layer: Option<usize>, _name: &str) {}
    /// Ends a step that nobody reads from, and waits while more than one step is under way.
    ///
    /// # Errors
    /// Those of the device.
    fn submit(&mut self, _step: &mut Self::Step) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }
    /// Reads the logits `[wanted tokens, vocab]` of the last [`Backend::lm_head`].
    ///
    /// # Errors
    /// Those of the device.
    fn read(
        &mut self,
        step: &mut Self::Step,
        logits: &mut Vec<f32>,
    ) -> impl Future<Output = Result<()>>;

    /// Computes `h = rms_norm(x) * norm` of every token of the step, reads it to `hidden`,
    /// `[tokens, embedding]`, and ends the step. Without a norm, `h = x`.
    ///
    /// # Errors
    /// Those of the device.
    fn read_hidden(
        &mut self,
        step: &mut Self::Step,
        norm: Option<&Weight<Self::Buf>>,
        eps: f32,
        hidden: &mut Vec<f32>,
    ) -> impl Future<Output = Result<()>>;

    /// Returns the number of tokens below which a step is hardly faster, for they share one reading
    /// of the weights. It is a power of two.
    fn min_batch(&self) -> usize {
        4
    }
    /// Returns the number of steps that may be under way whose tokens the host does not know yet,
    /// each beginning with the token that the step before it sampled. Where it is 0, the device
    /// samples no tokens, and none of the methods below is called.
    fn max_steps_ahead(&self) -> usize {
        0
    }
    /// Returns the number of tokens that a step may have which checks a draft on a device that
    /// decodes ahead: those of them that share one reading of the weights.
    fn max_checked(&self) -> usize {
        1
    }
    /// Returns the likeliest token of each row of the last [`Backend::lm_head`] of [`Rows::All`]
    /// (of equal ones the first), which the device finds, and ends the step.
    ///
    /// # Errors
    /// `not_finite` when a logit was NaN or infinity, and those of the device.
    fn read_argmax(&mut self, _step: &mut Self::Step) -> impl Future<Output = Result<Vec<u32>>> {
        async { Err(chooses_no_tokens()) }
    }
    /// Makes the device sample as `sampler` would from here on. Sampled tokens that nobody has read
    /// are forgotten.
    fn begin_sampling(&mut self, _step: &mut Self::Step, _sampler: &impl TokenSampler) {}
    /// Begins a step as [`Backend::embed`] does, with the token that the last [`Backend::sample`]
    /// sampled.
    fn embed_sampled(
        &mut self,
        _step: &mut Self::Step,
        _table: &Weight<Self::Buf>,
        _scale: f32,
        _position: usize,
    ) {
    }
    /// Samples a token by the logits of the last [`Backend::lm_head`], and ends the step. `draw` is
    /// a number of [`TokenSampler::draw`].
    fn sample(&mut self, _step: &mut Self::Step, _draw: f32) {}
    /// Reads the oldest sampled token that nobody has read.
    ///
    /// # Errors
    /// `not_finite` when a logit was NaN or infinity, and those of the device.
    fn read_sampled(
        &mut self,
        _step: &mut Self::Step,
    ) -> impl Future<Output = Result<SampledToken>> {
        async { Err(chooses_no_tokens()) }
    }
}

fn chooses_no_tokens() -> Error {
    Error::new(
        Code::InvalidArgument,
        "This backend chooses no tokens; read its logits.",
    )
}
