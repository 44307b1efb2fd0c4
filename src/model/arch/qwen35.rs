//! Declares the architecture of Qwen3.5, dense, text only: gated DeltaNets, and in every fourth
//! layer attention as Qwen3 has it, with gates and a part of each head rotated.

use crate::{
    backend::RopePairs,
    model::architecture::{Architecture, QkNorm},
};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        qk_norm: QkNorm::Head,
        has_delta_nets: true,
        ..Architecture::LLAMA
    }
}
