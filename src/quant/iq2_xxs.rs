//! IQ2_XXS packs 256 weights of 2 bits in 8 groups, each with 4 entries of a grid of 256, their
//! signs and a 4-bit scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers};
use super::floats::F16;
use super::grid::{IQ2_CODEBOOK, IQ2_XXS, even_signs};

/// Weight i of group g = i / 32 is `d * (scale + 0.5) / 4 * value`. A group has 4 bytes that number
/// entries, and 4 of signs (7 bits for each 8 weights) below the scale.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ2XXS {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the groups.
    pub qs: [[u8; 8]; 8],
}
block_bytes!(BlockIQ2XXS, 66);

impl CodebookBlock for BlockIQ2XXS {
    const CODEBOOK: [i8; 16] = IQ2_CODEBOOK;
    const FACTOR: f32 = 0.125;

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_iq2_xxs`.
    fn integers(&self, out: &mut Integers) {
        for (group, &[e0, e1, e2, e3, s0, s1, s2, s3]) in self.qs.iter().enumerate() {
            let signs = u32::from_le_bytes([s0, s1, s2, s3]);
            out.steps[2 * group..][..2].fill((2 * (signs >> 28) + 1) as i8);
            for (l, entry) in [e0, e1, e2, e3].into_iter().enumerate() {
                let out = &mut out.q[32 * group + 8 * l..][..8];
                IQ2_XXS.eight(usize::from(entry), even_signs(signs >> (7 * l)), out);
            }
        }
    }
}
