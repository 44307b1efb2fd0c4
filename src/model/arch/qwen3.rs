//! Declares the architecture of Qwen3: each head's queries and keys are normed before they are
//! rotated.

use crate::{
    backend::RopePairs,
    model::architecture::{Architecture, QkNorm},
};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        qk_norm: QkNorm::Head,
        ..Architecture::LLAMA
    }
}
