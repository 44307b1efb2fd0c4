//! Text becomes tokens and comes back, and messages become a prompt. Nothing here knows tensors.

mod category;
mod delimiters;
mod marks;
pub mod output;
pub mod prompt;
pub mod stream;
pub mod template;
pub mod tokenizer;
