//! What the operations of a decoder take beside activations: weights, and the switches in which
//! architectures differ.

use crate::tensor::Weight;
use std::sync::Arc;

/// Says which elements of a head form a rotated pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairs {
    /// The pairs are (0, 1), (2, 3) ..., as in llama.
    Adjacent,
    /// The pairs are (0, n/2), (1, n/2 + 1) ..., as in GPT-NeoX, qwen2 and most others.
    Halves,
}

/// Rotary position embedding: pair `i` at position `p` is rotated by `p * frequencies[i]`, and then
/// multiplied by `scale`. Without frequencies there is none.
#[derive(Clone, Debug)]
pub struct Rope {
    /// Says which elements form a pair.
    pub pairs: RopePairs,
    /// Holds the radians of each pair for one position, `[rotated dimensions / 2]`; scaling is
    /// folded in. A backend knows them again by their address, without a look at each.
    pub frequencies: Arc<[f32]>,
    /// Multiplies what is rotated (YaRN's and LongRoPE's magnitude); 1 elsewhere.
    pub scale: f32,
}

/// Tells how a layer attends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Multiplies the products of queries and keys.
    pub scale: f32,
    /// Counts the last positions that a token sees, itself included; [`u32::MAX`] for all. Where
    /// it sees those behind it, it sees as many of these.
    pub window: u32,
    /// Tells whether a token sees none of those behind it. Where it does, all come in one step.
    pub is_causal: bool,
    /// Bounds the scores: each becomes `softcap * tanh(score / softcap)`. 0 where there is no bound.
    pub softcap: f32,
}

impl Attention {
    /// Returns attention over all positions with the usual scale, `1 / sqrt(head_dim)`.
    pub fn full(head_dim: usize) -> Self {
        Self {
            scale: 1.0 / (head_dim as f32).sqrt(),
            window: u32::MAX,
            is_causal: true,
            softcap: 0.0,
        }
    }
}

/// Tells how many positions a KV cache has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSize {
    /// Counts the positions of the context.
    pub context_tokens: usize,
    /// Lists for each layer how many positions it has room for: position `p` lies at `p` modulo
    /// this number, where it takes the place of an older one. Where that is fewer than the
    /// context's, for tokens see a window only, it is a multiple of [`CacheSize::MULTIPLE`]. Of a
    /// layer that has states it counts these: the numbers of a state are those of a position.
    pub layers: Vec<usize>,
}

impl CacheSize {
    /// Kernels take this number of positions that lie side by side, from a multiple of it on.
    pub const MULTIPLE: usize = 64;

    /// Returns the size of a cache whose layers all hold the whole context.
    pub fn whole(layers: usize, context_tokens: usize) -> Self {
        Self {
            context_tokens,
            layers: vec![context_tokens; layers],
        }
    }
}

/// Tells how logits come from the products of the LM head: `softcap * tanh(scale * y / softcap)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitScale {
    /// Multiplies the products.
    pub scale: f32,
    /// Bounds the logits. 0 where there is no bound.
    pub softcap: f32,
}

impl LogitScale {
    /// Leaves the products as they are.
    pub const NONE: Self = Self {
        scale: 1.0,
        softcap: 0.0,
    };
}

/// A norm whose result is added to the residual stream.
#[derive(Debug)]
pub struct PostNorm<'a, Buf> {
    /// Holds the weight of the norm.
    pub norm: &'a Weight<Buf>,
    /// Holds the epsilon of the norm.
    pub eps: f32,
    /// Multiplies the sum.
    pub scale: f32,
}

/// Holds the weights that [`Backend::layer_inputs`](super::Backend::layer_inputs) needs.
#[derive(Debug)]
pub struct LayerInputs<'a, Buf> {
    /// Holds the projection of the token embeddings, `[layers * input, embedding]`.
    pub proj: &'a Weight<Buf>,
    /// Holds the weight of the norm of what a layer gets of it, `[input]`.
    pub norm: &'a Weight<Buf>,
    /// Holds the epsilon of the norm.
    pub eps: f32,
}

/// Names the activation function of the feed-forward network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The function is `x * sigmoid(x)`.
    Silu,
    /// The function is `x * sigmoid(GELU[0] * x + GELU[1] * x^3)`, the approximation of GELU that
    /// is usually written with a hyperbolic tangent (Hendrycks and Gimpel, arXiv 1606.08415).
    Gelu,
}

/// Holds the factors of [`Activation::Gelu`]: `2 sqrt(2 / pi)`, and 0.044715 times that.
pub const GELU: [f32; 2] = [1.595_769, 0.071_354_82];

/// Holds the weights of a layer that
/// [`Backend::attention_input`](super::Backend::attention_input) needs.
pub struct AttentionInput<'a, Buf> {
    /// Holds the weight of the norm before attention, if there is one.
    pub norm: Option<&'a Weight<Buf>>,
    /// Holds the query projection `[heads * head_dim, embedding]`; of twice the rows where each
    /// head has a gate of what it attends to behind its query.
    pub q: &'a Weight<Buf>,
    /// Holds the key projection `[kv_heads * head_dim, embedding]`; none where the layer attends
    /// to the keys and values of another one.
    pub k: Option<&'a Weight<Buf>>,
    /// Holds the value projection `[kv_heads * head_dim, embedding]`, where there are keys.
    pub v: Option<&'a Weight<Buf>>,
    /// Holds the bias of the queries.
    pub q_bias: Option<&'a Weight<Buf>>,
    /// Holds the bias of the keys.
    pub k_bias: Option<&'a Weight<Buf>>,
    /// Holds the bias of the values.
    pub v_bias: Option<&'a Weight<Buf>>,
    /// Holds the weight of the norm of queries, as long as a head or as all of them.
    pub q_norm: Option<&'a Weight<Buf>>,
    /// Holds the weight of the norm of keys, as long as a head or as all of them.
    pub k_norm: Option<&'a Weight<Buf>>,
    /// Holds the weight of the norm of values, as long as a head.
    pub v_norm: Option<&'a Weight<Buf>>,
    /// Holds the rotary position embedding of queries and keys.
    pub rope: &'a Rope,
    /// Holds the epsilon of the norms.
    pub eps: f32,
}

/// Holds the weights of a layer that [`Backend::short_conv`](super::Backend::short_conv) needs.
pub struct ShortConv<'a, Buf> {
    /// Holds the weight of the norm before the projections, if there is one.
    pub norm: Option<&'a Weight<Buf>>,
    /// Holds the projections to the gate before the convolution, the gate behind it, and what is
    /// convolved, `[b | c | u, embedding]`.
    pub in_proj: &'a Weight<Buf>,
    /// Holds the convolution as a vector, `[embedding, taps]`.
    pub conv: &'a Weight<Buf>,
    /// Holds the epsilon of the norm.
    pub eps: f32,
}

impl<Buf> ShortConv<'_, Buf> {
    /// Returns the number of positions that the convolution sees, the token's own included.
    pub fn taps(&self) -> usize {
        self.conv.cols / self.in_proj.cols
    }
}

/// Holds the dimensions of a gated DeltaNet, which mixes tokens by a state and not by attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaDims {
    /// Counts the positions that its convolution sees, the token's own included.
    pub taps: usize,
    /// Counts the heads of queries and of keys; value head `i` has those of `i` modulo this number.
    pub key_heads: usize,
    /// Counts the heads of values.
    pub value_heads: usize,
    /// Holds the length of a query or key.
    pub key_dim: usize,
    /// Holds the length of a value.
    pub value_dim: usize,
}

impl DeltaDims {
    /// Returns the number of channels that are convolved: queries, keys and values.
    pub fn channels(&self) -> usize {
        2 * self.key_heads * self.key_dim + self.values()
    }

    /// Returns the length of all values of a token.
    pub fn values(&self) -> usize {
        self.value_heads * self.value_dim
    }

    /// Returns the numbers of the convolution's inputs in a state, `[taps - 1, channels]`. Behind
    /// them a state has `[value_heads, key_dim, value_dim]`.
    pub fn inputs(&self) -> usize {
        (self.taps - 1) * self.channels()
    }

    /// Returns the numbers of a state.
    pub fn state(&self) -> usize {
        self.inputs() + self.values() * self.key_dim
    }
}

/// Tells which of a layer's states a step goes on from, and which it replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateEntries {
    /// Names the state before the step; none where the step begins at position 0.
    pub from: Option<usize>,
    /// Names the state to replace, which is another one.
    pub to: usize,
}

/// Holds the weights of a layer that [`Backend::delta_net`](super::Backend::delta_net) needs.
pub struct DeltaNet<'a, Buf> {
    /// Holds the weight of the norm before the projections, if there is one.
    pub norm: Option<&'a Weight<Buf>>,
    /// Holds the projection to what is convolved, `[channels, embedding]`.
    pub qkv: &'a Weight<Buf>,
    /// Holds the projection to the gate of the result, `[values, embedding]`.
    pub gate: &'a Weight<Buf>,
    /// Holds the projection to how much of a value is written, `[value_heads, embedding]`.
    pub beta: &'a Weight<Buf>,
    /// Holds the projection to how much of the state stays, `[value_heads, embedding]`.
    pub alpha: &'a Weight<Buf>,
    /// Is added to what `alpha` returns, `[value_heads]`.
    pub dt: &'a Weight<Buf>,
    /// Holds the rates at which the state decays, below 0, `[value_heads]`.
    pub a: &'a Weight<Buf>,
    /// Holds the convolution as a vector, `[channels, taps]`.
    pub conv: &'a Weight<Buf>,
    /// Holds the weight of the norm of each head's result, `[value_dim]`.
    pub out_norm: &'a Weight<Buf>,
    /// Holds the epsilon of the norms.
    pub eps: f32,
}

/// Holds the weights of a layer that [`Backend::feed_forward`](super::Backend::feed_forward) needs.
pub struct FeedForward<'a, Buf> {
    /// Holds the weight of the norm before the network, if there is one.
    pub norm: Option<&'a Weight<Buf>>,
    /// Holds the gate projection `[feed_forward, embedding]`.
    pub gate: &'a Weight<Buf>,
    /// Holds the up projection `[feed_forward, embedding]`.
    pub up: &'a Weight<Buf>,
    /// Holds the bias of the gate.
    pub gate_bias: Option<&'a Weight<Buf>>,
    /// Holds the bias of the up projection.
    pub up_bias: Option<&'a Weight<Buf>>,
    /// Holds the activation function of the gate.
    pub activation: Activation,
    /// Holds the epsilon of the norm.
    pub eps: f32,
}

/// Holds the weights that [`Backend::lm_head`](super::Backend::lm_head) needs.
pub struct LmHead<'a, Buf> {
    /// Holds the weight of the last norm.
    pub norm: &'a Weight<Buf>,
    /// Holds the output matrix `[vocab, embedding]`.
    pub output: &'a Weight<Buf>,
    /// Holds the bias of the logits.
    pub bias: Option<&'a Weight<Buf>>,
    /// Holds the epsilon of the norm.
    pub eps: f32,
    /// Tells what becomes of the products.
    pub scale: LogitScale,
}
