//! How many prompt tokens one call may evaluate.

const MIN_TOKENS: usize = 4;
const MAX_TOKENS: usize = 512;
/// The longest that a caller should wait for one call.
const TARGET_MS: f64 = 100.0;
/// How much larger than the last chunk the next may be: one measurement tells only so much.
const MAX_GROWTH: usize = 4;

/// Learns from the last chunk how large the next may be: 4 to 512 tokens, a power of two, so that the kernels' tiles are full.
#[derive(Clone, Debug)]
pub struct Pace {
    tokens: usize,
}

impl Pace {
    pub fn new() -> Self {
        Self { tokens: MIN_TOKENS }
    }

    /// The size of the next chunk.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// `tokens` took `elapsed_ms`; a browser's coarse clock may say 0.
    pub fn observe(&mut self, tokens: usize, elapsed_ms: f64) {
        // A chunk cut short by the prompt's end pays the fixed costs for few tokens: it says nothing about a full one.
        if tokens < self.tokens && elapsed_ms <= TARGET_MS {
            return;
        }
        let bearable = if elapsed_ms > 0.0 { (tokens as f64 * TARGET_MS / elapsed_ms) as usize } else { usize::MAX };
        let bearable = bearable.min(tokens * MAX_GROWTH).clamp(MIN_TOKENS, MAX_TOKENS);
        self.tokens = 1 << bearable.ilog2();
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}
