//! IQ3_S packs 256 weights of 3 bits in 8 groups, each with 8 entries of a grid of 512, their signs
//! and a 4-bit scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers};
use super::floats::F16;
use super::grid::IQ3_S;

const MAGNITUDES: [i8; 8] = [1, 3, 5, 7, 9, 11, 13, 15];

/// Weight i of group g = i / 32 is `d * (2 * scale + 1) * value`. Bit e % 8 of `qh[e / 8]` is the
/// high bit of the number of entry e.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ3S {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the low 8 bits of the entries' numbers, each of 4 weights.
    pub qs: [u8; 64],
    /// Holds the high bits of the entries' numbers.
    pub qh: [u8; 8],
    /// Holds the signs, a bit a weight.
    pub signs: [u8; 32],
    /// Holds the groups' scales, two a byte.
    pub scales: [u8; 4],
}
block_bytes!(BlockIQ3S, 110);

impl CodebookBlock for BlockIQ3S {
    const CODEBOOK: [i8; 16] = [-15, -13, -11, -9, -7, -5, -3, -1, 1, 3, 5, 7, 9, 11, 13, 15];

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_iq3_s`.
    fn integers(&self, out: &mut Integers) {
        for (e, out) in out.q.chunks_exact_mut(4).enumerate() {
            let number = usize::from(self.qs[e]) | usize::from(self.qh[e / 8] >> (e % 8) & 1) << 8;
            IQ3_S.four(number, &MAGNITUDES, self.signs[e / 2] >> (e % 2 * 4), out);
        }
        for (group, steps) in out.steps.chunks_exact_mut(2).enumerate() {
            let scale = self.scales[group / 2] >> (group % 2 * 4) & 15;
            steps.fill(2 * scale as i8 + 1);
        }
    }
}
