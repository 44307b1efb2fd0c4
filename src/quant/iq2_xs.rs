//! IQ2_XS packs 256 weights of 2 bits in 16 groups, each with 2 entries of a grid of 512, their
//! signs and a 4-bit scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers};
use super::floats::F16;
use super::grid::{IQ2_CODEBOOK, IQ2_XS, even_signs};

/// Weight i of group g = i / 16 is `d * (scale + 0.5) / 4 * value`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ2XS {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds, for each 8 weights, the number of their entry in 9 bits and their signs in 7.
    pub qs: [[u8; 2]; 32],
    /// Holds the groups' scales, two a byte.
    pub scales: [u8; 8],
}
block_bytes!(BlockIQ2XS, 74);

impl CodebookBlock for BlockIQ2XS {
    const CODEBOOK: [i8; 16] = IQ2_CODEBOOK;
    const FACTOR: f32 = 0.125;

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_iq2_xs`.
    fn integers(&self, out: &mut Integers) {
        out.steps = odd_steps(&self.scales);
        for (&qs, out) in self.qs.iter().zip(out.q.chunks_exact_mut(8)) {
            let qs = u16::from_le_bytes(qs);
            IQ2_XS.eight(usize::from(qs & 511), even_signs(u32::from(qs >> 9)), out);
        }
    }
}

/// Returns `2 * scale + 1` of 16 scales of 4 bits.
pub(super) fn odd_steps(scales: &[u8; 8]) -> [i8; 16] {
    std::array::from_fn(|group| {
        let scale = scales[group / 2] >> (group % 2 * 4) & 15;
        2 * scale as i8 + 1
    })
}
