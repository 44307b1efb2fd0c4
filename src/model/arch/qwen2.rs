//! Declares the architecture of Qwen2 and Qwen2.5, Coder included: llama with biases on q, k and v,
//! and, as in llama.cpp, perhaps one on the logits.

use crate::{backend::RopePairs, model::architecture::Architecture};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        needs_qkv_bias: true,
        optional_biases: &["output"],
        ..Architecture::LLAMA
    }
}
