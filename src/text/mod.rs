//! Text becomes tokens and comes back, and messages become a prompt. Nothing here knows tensors.

pub mod prompt;
pub mod stream;
mod strftime;
pub mod template;
mod tojson;
pub mod tokenizer;
