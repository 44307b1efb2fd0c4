//! IQ3_XXS packs 256 weights of 3 bits in 8 groups, each with 8 entries of a grid of 256, their
//! signs and a 4-bit scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers};
use super::floats::F16;
use super::grid::{IQ3_XXS, even_signs};

const MAGNITUDES: [i8; 8] = [4, 12, 20, 28, 36, 44, 52, 62];

/// Weight i of group g = i / 32 is `d * (scale + 0.5) / 2 * value`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ3XXS {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the numbers of the entries, each of 4 weights.
    pub qs: [u8; 64],
    /// Holds, for each group, signs (7 bits for each 8 weights) below the scale.
    pub signs: [[u8; 4]; 8],
}
block_bytes!(BlockIQ3XXS, 98);

impl CodebookBlock for BlockIQ3XXS {
    const CODEBOOK: [i8; 16] = [
        -62, -52, -44, -36, -28, -20, -12, -4, 4, 12, 20, 28, 36, 44, 52, 62,
    ];
    const FACTOR: f32 = 0.25;

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_iq3_xxs`.
    fn integers(&self, out: &mut Integers) {
        for (e, out) in out.q.chunks_exact_mut(4).enumerate() {
            let signs = even_signs(u32::from_le_bytes(self.signs[e / 8]) >> (e % 8 / 2 * 7));
            let signs = signs >> (e % 2 * 4);
            IQ3_XXS.four(usize::from(self.qs[e]), &MAGNITUDES, signs, out);
        }
        for (steps, signs) in out.steps.chunks_exact_mut(2).zip(self.signs) {
            steps.fill(2 * (signs[3] >> 4) as i8 + 1);
        }
    }
}
