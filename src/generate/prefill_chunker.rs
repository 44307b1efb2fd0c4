//! How many prompt tokens go through the model together.

use crate::model::STEP_TOKENS;

/// Before anything is known.
const FIRST_TOKENS: usize = 16;
/// The longest that the model should work without a chance to be interrupted.
const TARGET_MS: f64 = 50.0;
/// How much larger than the last chunk the next may be: one measurement tells only so much.
const MAX_GROWTH: usize = 4;

/// Learns from the last chunk how large the next may be: a power of two, so that the kernels' tiles are full. The more tokens share one
/// reading of the weights, the better; but after every block of the model somebody may want to interrupt.
#[derive(Clone, Debug)]
pub struct PrefillChunker {
    tokens: usize,
    min_batch: usize,
}

impl PrefillChunker {
    /// With fewer than `min_batch` a chunk is hardly faster.
    pub fn new(min_batch: usize) -> Self {
        Self {
            tokens: FIRST_TOKENS.max(min_batch),
            min_batch,
        }
    }

    /// The size of the next chunk.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// With `tokens`, the model worked at most `longest_ms` without interruption; a browser's coarse clock may say 0.
    pub fn observe(&mut self, tokens: usize, longest_ms: f64) {
        // A chunk cut short by the prompt's end pays the fixed costs for few tokens: it says nothing about a full one.
        if tokens < self.tokens && longest_ms <= TARGET_MS {
            return;
        }
        let bearable = if longest_ms > 0.0 {
            (tokens as f64 * TARGET_MS / longest_ms) as usize
        } else {
            usize::MAX
        };
        let bearable = bearable
            .min(tokens * MAX_GROWTH)
            .clamp(self.min_batch, STEP_TOKENS);
        self.tokens = 1 << bearable.ilog2();
    }
}
