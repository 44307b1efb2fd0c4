//! Declares the architecture of LFM2: short convolutions, and attention in some layers, as Qwen3
//! has it.

use crate::{
    backend::RopePairs,
    model::architecture::{Architecture, QkNorm},
};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        qk_norm: QkNorm::Head,
        // A file that has a window has it in every layer that attends.
        full_attention_every: None,
        has_short_convs: true,
        ..Architecture::LLAMA
    }
}
