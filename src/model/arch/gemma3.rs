//! Declares the architecture of Gemma 3, text only: Gemma 2 with norms of queries and keys in place
//! of the bounds, and a window with a rope of its own in five of six layers.

use crate::{
    backend::{Activation, RopePairs},
    model::architecture::{Architecture, Norms, QkNorm},
};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        activation: Activation::Gelu,
        norms: Norms::Both,
        qk_norm: QkNorm::Head,
        scales_embedding: true,
        full_attention_every: Some(6),
        local_rope_base: Some(10_000.0),
        embedding_scale_layers: 62,
        ..Architecture::LLAMA
    }
}
