//! Declares the architecture of Llama 2 and 3, SmolLM2, TinyLlama and Mistral, and of Ministral 3,
//! whose rope is scaled by YaRN, as the metadata says. Llama 3's RoPE scaling comes as the tensor
//! `rope_freqs.weight`. The biases are those that llama.cpp adds.

use crate::model::architecture::Architecture;

pub(super) fn architecture() -> Architecture {
    Architecture {
        optional_biases: &["attn_output", "ffn_gate", "ffn_up", "ffn_down"],
        ..Architecture::LLAMA
    }
}
