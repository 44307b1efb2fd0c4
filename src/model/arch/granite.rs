//! Declares the architecture of Granite 3 and 4, dense: llama with scales of embeddings, residuals,
//! attention and logits.

use crate::model::architecture::Architecture;

pub(super) fn architecture() -> Architecture {
    Architecture {
        has_scales: true,
        ..Architecture::LLAMA
    }
}
