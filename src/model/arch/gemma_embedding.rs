//! Declares the architecture of EmbeddingGemma: Gemma 3 as an encoder, whose windows reach half
//! before each token and half behind it.

use super::gemma3;
use crate::model::architecture::{Architecture, EncoderParts};

pub(super) fn architecture() -> Architecture {
    Architecture {
        encoder: Some(EncoderParts {
            has_positions: false,
            has_gate: true,
        }),
        // There is one size of it, whose scores are scaled by the head.
        embedding_scale_layers: 0,
        ..gemma3::architecture()
    }
}
