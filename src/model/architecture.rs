//! In what architectures differ.

use crate::backend::{Activation, RopePairs};

/// Tells where a layer has norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// Before attention and before the feed-forward network.
    Pre,
    /// Behind them, before their results are added.
    Post,
    /// Before and behind.
    Both,
    /// Behind the sums with what attention and the feed-forward network return: LayerNorms, which
    /// all of the residual stream goes through.
    OfSums,
}

impl Norms {
    /// Returns whether there are norms before attention and the feed-forward network.
    pub fn are_before(self) -> bool {
        matches!(self, Norms::Pre | Norms::Both)
    }

    /// Returns whether there are norms behind them, before their results are added.
    pub fn are_behind(self) -> bool {
        matches!(self, Norms::Post | Norms::Both)
    }
}

/// Tells which norms queries and keys have before they are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// There are none.
    None,
    /// Each head is normed by itself.
    Head,
    /// All heads of a token are normed together.
    All,
}

/// Tells which parts an encoder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderParts {
    /// Tells whether positions are learned, a vector each that is added to the token's embedding.
    pub has_positions: bool,
    /// Tells whether the feed-forward network has a gate.
    pub has_gate: bool,
}

/// Tells how an architecture differs from llama's, [`Architecture::LLAMA`]. All else comes from the
/// metadata.
pub struct Architecture {
    /// Tells which elements of a head RoPE rotates together.
    pub rope_pairs: RopePairs,
    /// Tells whether a file without biases of q, k and v is broken.
    pub needs_qkv_bias: bool,
    /// Names the other matrices that may have a bias, as GGUF does but without the layer:
    /// "ffn_up", "output".
    pub optional_biases: &'static [&'static str],
    /// Names the activation function of the feed-forward network.
    pub activation: Activation,
    /// Tells where the norms are.
    pub norms: Norms,
    /// Tells which norms queries and keys have. With any of them they have no biases.
    pub qk_norm: QkNorm,
    /// Tells whether values are normed, each head by itself and with a weight of ones.
    pub norms_values: bool,
    /// Tells whether q, k and v are one tensor in the file, and gate and up another.
    pub is_fused: bool,
    /// Tells whether token embeddings are multiplied by the square root of their length.
    pub scales_embedding: bool,
    /// Multiplies the scores of attention, where that is no matter of a head's length.
    pub attention_scale: Option<f32>,
    /// Bounds the scores of attention where the metadata does not say; 0 for not at all.
    pub attention_softcap: f32,
    /// Bounds the logits where the metadata does not say; 0 for not at all.
    pub final_softcap: f32,
    /// Every layer of this number sees all positions, and the others the window that the metadata
    /// has. `None` where all layers have that window, and 1 where none has.
    pub full_attention_every: Option<usize>,
    /// Holds the base of the rope that layers with a window have.
    pub local_rope_base: Option<f32>,
    /// Every layer of this number has no rope.
    pub no_rope_every: Option<usize>,
    /// Tells whether layers may differ in the length of heads and of the feed-forward network, share
    /// keys and values, take embeddings of their own and scale what they return.
    pub layers_differ: bool,
    /// Tells what an encoder of BERT's kind has: each of its tokens sees all others, and there are
    /// no logits.
    pub encoder: Option<EncoderParts>,
    /// Tells whether layers without key-value heads have a short convolution in place of attention.
    pub has_short_convs: bool,
    /// Tells whether all layers but every n-th one, as the metadata says, have a gated DeltaNet in
    /// place of attention, and whether attention has gates.
    pub has_delta_nets: bool,
    /// Tells whether the file has LongRoPE's factors.
    pub has_long_rope: bool,
    /// Tells whether the metadata has scales of embeddings, residuals, attention and logits.
    pub has_scales: bool,
    /// A model of this number of layers scales attention by its embedding's part of a head, and not
    /// by the head: the metadata does not tell this of Gemma's largest models. 0 for none.
    pub embedding_scale_layers: usize,
}

impl Architecture {
    /// Is llama's, without its biases.
    pub const LLAMA: Self = Self {
        rope_pairs: RopePairs::Adjacent,
        needs_qkv_bias: false,
        optional_biases: &[],
        activation: Activation::Silu,
        norms: Norms::Pre,
        qk_norm: QkNorm::None,
        norms_values: false,
        is_fused: false,
        scales_embedding: false,
        attention_scale: None,
        attention_softcap: 0.0,
        final_softcap: 0.0,
        full_attention_every: Some(1),
        local_rope_base: None,
        no_rope_every: None,
        layers_differ: false,
        encoder: None,
        has_short_convs: false,
        has_delta_nets: false,
        has_long_rope: false,
        has_scales: false,
        embedding_scale_layers: 0,
    };
}
