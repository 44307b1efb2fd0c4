//! IQ2_S packs 256 weights of 2 bits in 16 groups, each with 2 entries of a grid of 1,024, their
//! signs and a 4-bit scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers};
use super::floats::F16;
use super::grid::{IQ2_CODEBOOK, IQ2_S};
use super::iq2_xs::odd_steps;

/// Weight i of group g = i / 16 is `d * (scale + 0.5) / 4 * value`. Bits 2 (e % 4) and above of
/// `qh[e / 4]` are the high 2 bits of the number of entry e.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ2S {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the low 8 bits of the entries' numbers.
    pub qs: [u8; 32],
    /// Holds the signs, a bit a weight.
    pub signs: [u8; 32],
    /// Holds the high bits of the entries' numbers.
    pub qh: [u8; 8],
    /// Holds the groups' scales, two a byte.
    pub scales: [u8; 8],
}
block_bytes!(BlockIQ2S, 82);

impl CodebookBlock for BlockIQ2S {
    const CODEBOOK: [i8; 16] = IQ2_CODEBOOK;
    const FACTOR: f32 = 0.125;

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_iq2_s`.
    fn integers(&self, out: &mut Integers) {
        out.steps = odd_steps(&self.scales);
        for (e, out) in out.q.chunks_exact_mut(8).enumerate() {
            let high = usize::from(self.qh[e / 4] >> (e % 4 * 2) & 3);
            IQ2_S.eight(usize::from(self.qs[e]) | high << 8, self.signs[e], out);
        }
    }
}
