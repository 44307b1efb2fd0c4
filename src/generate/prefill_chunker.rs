//! Decides how many prompt tokens go through the model together.

use crate::model::STEP_TOKENS;

/// Sets the size of the first chunk: small, because nothing is measured yet, and a power of two.
const FIRST_TOKENS: usize = 16;
/// Limits the time in milliseconds that the model should compute without a chance to be
/// interrupted: a page that draws, or a user who stops the answer, waits that long.
const TARGET_MS: f64 = 50.0;
/// Limits the factor by which the next chunk may exceed the last one: a single measurement may be
/// off.
const MAX_GROWTH: usize = 4;

/// Sizes the chunks of a prompt by the time that the last chunk took.
///
/// The more tokens share one reading of the weights, the faster the prefill. But the model can be
/// interrupted only between two of its layers, so a chunk must not make a layer take too long.
/// Sizes are powers of two, which fill the tiles of the kernels.
#[derive(Clone, Debug)]
pub struct PrefillChunker {
    tokens: usize,
    min_batch: usize,
}

impl PrefillChunker {
    /// Makes a chunker whose chunks never have fewer than `min_batch` tokens: smaller ones are
    /// hardly faster ([`Decoder::min_batch`](super::decoder::Decoder::min_batch)).
    pub fn new(min_batch: usize) -> Self {
        Self {
            tokens: FIRST_TOKENS.max(min_batch),
            min_batch,
        }
    }

    /// Returns the number of tokens in the next chunk.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Takes a measurement: on a chunk of `tokens` tokens, the model computed for at most
    /// `longest_ms` milliseconds between two chances to be interrupted. A browser's coarse clock
    /// may say 0.
    pub fn observe(&mut self, tokens: usize, longest_ms: f64) {
        // The prompt's last chunk is short and pays the fixed costs for few tokens, so its time
        // says nothing about a full chunk.
        if tokens < self.tokens && longest_ms <= TARGET_MS {
            return;
        }
        let tokens_in_time = if longest_ms > 0.0 {
            (tokens as f64 * TARGET_MS / longest_ms) as usize
        } else {
            usize::MAX
        };
        let next = tokens_in_time
            .min(tokens * MAX_GROWTH)
            .clamp(self.min_batch, STEP_TOKENS);
        self.tokens = 1 << next.ilog2();
    }
}
