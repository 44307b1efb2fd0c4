//! Text to tokens and back, and messages to a prompt. Knows no tensors.

pub mod prompt;
mod python;
pub mod stream;
pub mod template;
pub mod tokenizer;
