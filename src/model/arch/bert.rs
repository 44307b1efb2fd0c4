//! Declares the architecture of BERT, which MiniLM, BGE, E5 and other models of embeddings have: an
//! encoder.

use crate::{
    backend::Activation,
    model::architecture::{Architecture, EncoderParts, Norms},
};

pub(super) fn architecture() -> Architecture {
    Architecture {
        needs_qkv_bias: true,
        optional_biases: &["attn_output", "ffn_up", "ffn_down"],
        // As in llama.cpp, which takes the approximation where BERT has the error function.
        activation: Activation::Gelu,
        norms: Norms::OfSums,
        no_rope_every: Some(1),
        encoder: Some(EncoderParts {
            has_positions: true,
            has_gate: false,
        }),
        ..Architecture::LLAMA
    }
}
