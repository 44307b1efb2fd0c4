//! Llama 2 and 3, SmolLM2, TinyLlama, Mistral. Llama 3's rope scaling comes as the tensor `rope_freqs.weight`.

use crate::{
    backend::{Activation, RopePairs},
    model::config::Architecture,
};

pub fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Adjacent,
        qkv_bias: false,
        activation: Activation::Silu,
    }
}
