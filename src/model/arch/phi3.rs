//! Declares the architecture of Phi-3, 3.5 and 4 mini: q, k and v are one tensor, gate and up
//! another, a part of each head is rotated, and LongRoPE's factors are tensors. The window, if the
//! metadata has one, is that of every layer, as in transformers.

use crate::{backend::RopePairs, model::architecture::Architecture};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        is_fused: true,
        full_attention_every: None,
        has_long_rope: true,
        ..Architecture::LLAMA
    }
}
