//! TQ1_0 packs 256 weights of -1, 0 or 1 with one scale, five of them a byte.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers, codebook};
use super::floats::F16;

/// Weight i is `d * (digit - 1)`. A byte is a fraction of 256, whose digits to the base 3 are the
/// weights, the first one the highest.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockTQ1_0 {
    /// Holds weights 0 to 159 in 32 bytes and 160 to 239 in 16, every 32nd or 16th in a byte.
    pub qs: [u8; 48],
    /// Holds the last 16 weights, every fourth in a byte.
    pub qh: [u8; 4],
    /// Holds the scale.
    pub d: F16,
}
block_bytes!(BlockTQ1_0, 54);

impl CodebookBlock for BlockTQ1_0 {
    const CODEBOOK: [i8; 16] = codebook(&[-1, 0, 1]);

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_tq1_0`.
    fn integers(&self, out: &mut Integers) {
        const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
        let digit = |byte: u8, n: usize| {
            let rest = byte.wrapping_mul(POWERS[n]);
            ((u16::from(rest) * 3) >> 8) as i8 - 1
        };
        out.steps = [1; 16];
        for (i, q) in out.q.iter_mut().enumerate() {
            *q = match i {
                0..160 => digit(self.qs[i % 32], i / 32),
                160..240 => digit(self.qs[32 + (i - 160) % 16], (i - 160) / 16),
                _ => digit(self.qh[i % 4], (i - 240) / 4),
            };
        }
    }
}
