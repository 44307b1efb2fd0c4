//! Qwen2 and Qwen2.5, Coder included: llama with biases on q, k and v.

use crate::{
    backend::{Activation, RopePairs},
    model::spec::Declaration,
};

pub fn declaration() -> Declaration {
    Declaration { rope_pairs: RopePairs::Halves, qkv_bias: true, activation: Activation::Silu }
}
