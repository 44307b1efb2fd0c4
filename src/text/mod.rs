//! Text to tokens and back, and messages to a prompt. Knows no tensors.

mod python;
pub mod stream;
pub mod template;
pub mod tokenizer;
