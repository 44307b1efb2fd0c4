//! The decoder: one forward pass for every architecture.

use crate::{Result, backend::Backend};

/// A loaded model with its KV cache.
pub struct Model<B: Backend> {
    pub backend: B,
}

impl<B: Backend> Model<B> {
    /// Tokens that the vocabulary has: the length of `logits`.
    pub fn vocab_size(&self) -> usize {
        0
    }
    /// Tokens that the KV cache can hold.
    pub fn context_tokens(&self) -> usize {
        0
    }
    /// Tokens in the KV cache now.
    pub fn cached_tokens(&self) -> usize {
        0
    }
    /// Forgets every cached token from position `tokens` on.
    pub fn truncate(&mut self, _tokens: usize) {}
    /// Appends `tokens` to the cache. With `logits`, leaves there the logits `[vocab]` that follow the last of them.
    /// Errors: `context_full`, `invalid_argument` (empty, or an id outside the vocabulary), `not_finite`.
    pub async fn forward(&mut self, _tokens: &[u32], _logits: Option<&mut Vec<f32>>) -> Result<()> {
        Ok(())
    }
}
