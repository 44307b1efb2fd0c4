//! IQ1_S packs 256 weights of less than 2 bits in 8 groups, each with 4 entries of a grid of 2,048,
//! a shift and a 3-bit scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers};
use super::floats::F16;
use super::grid::{IQ1_CODEBOOK, IQ1_S};

/// Weight i of group g = i / 32 is `d * (2 * scale + 1) * (value + shift)`, with a value of -1, 0
/// or 1 and a shift of an eighth up or down. `qh[g]` holds the high 3 bits of the four entries'
/// numbers, the scale, and whether the shift is down.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ1S {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the low 8 bits of the entries' numbers.
    pub qs: [u8; 32],
    /// Holds what else a group has.
    pub qh: [[u8; 2]; 8],
}
block_bytes!(BlockIQ1S, 50);

impl CodebookBlock for BlockIQ1S {
    const CODEBOOK: [i8; 16] = IQ1_CODEBOOK;
    const FACTOR: f32 = 0.125;

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_iq1_s`.
    fn integers(&self, out: &mut Integers) {
        for (group, qh) in self.qh.into_iter().enumerate() {
            let qh = usize::from(u16::from_le_bytes(qh));
            out.steps[2 * group..][..2].fill(2 * (qh >> 12 & 7) as i8 + 1);
            for l in 0..4 {
                let number = usize::from(self.qs[4 * group + l]) | (qh >> (3 * l) & 7) << 8;
                let out = &mut out.q[32 * group + 8 * l..][..8];
                IQ1_S.eight_shifted(number, qh >> 15 == 1, out);
            }
        }
    }
}
