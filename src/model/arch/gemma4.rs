//! Declares the architecture of Gemma 4, dense, text only: Gemma 3 whose layers differ in size, the
//! last of which attend to keys and values of earlier ones, and which take embeddings of their own.

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
        norms_values: true,
        scales_embedding: true,
        attention_scale: Some(1.0),
        full_attention_every: Some(6),
        local_rope_base: Some(10_000.0),
        layers_differ: true,
        ..Architecture::LLAMA
    }
}
