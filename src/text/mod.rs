//! Text to tokens and back, and messages to a prompt. Knows no tensors.

pub mod stream;
pub mod tokenizer;
