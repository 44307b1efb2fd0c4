//! Text to tokens and back, and messages to a prompt. Knows no tensors.

pub mod prompt;
pub mod stream;
mod strftime;
pub mod template;
mod tojson;
pub mod tokenizer;
