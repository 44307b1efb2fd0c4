//! Declares the architecture of Nomic Embed 1 and 1.5: BERT with rope in place of learned
//! positions, and with llama's feed-forward network.

use crate::{
    backend::RopePairs,
    model::architecture::{Architecture, EncoderParts, Norms},
};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        norms: Norms::OfSums,
        is_fused: true,
        encoder: Some(EncoderParts {
            has_positions: false,
            has_gate: true,
        }),
        ..Architecture::LLAMA
    }
}
