//! Declares the architecture of Gemma 2: norms before and behind attention and the feed-forward
//! network, bounded scores and logits, and a window in every other layer.

use crate::{
    backend::{Activation, RopePairs},
    model::architecture::{Architecture, Norms},
};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        activation: Activation::Gelu,
        norms: Norms::Both,
        scales_embedding: true,
        attention_softcap: 50.0,
        final_softcap: 30.0,
        full_attention_every: Some(2),
        embedding_scale_layers: 46,
        ..Architecture::LLAMA
    }
}
