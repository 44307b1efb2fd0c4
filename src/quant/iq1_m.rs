//! IQ1_M packs 256 weights of less than 2 bits in 16 groups, each with 2 entries of IQ1_S's grid,
//! a shift for each and a 3-bit scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers};
use super::floats::F16;
use super::grid::{IQ1_CODEBOOK, IQ1_S};

/// Weight i of group g = i / 16 is `d * (2 * scale + 1) * (value + shift)`, as in IQ1_S. A nibble
/// of `qh` holds the high 3 bits of an entry's number, and whether its shift is down.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ1M {
    /// Holds the low 8 bits of the entries' numbers.
    pub qs: [u8; 32],
    /// Holds what else an entry has.
    pub qh: [u8; 16],
    /// Holds, in 16 bits, the scales of four groups and above them 4 bits of the block's scale.
    pub scales: [[u8; 2]; 4],
}
block_bytes!(BlockIQ1M, 56);

impl CodebookBlock for BlockIQ1M {
    const CODEBOOK: [i8; 16] = IQ1_CODEBOOK;
    const FACTOR: f32 = 0.125;

    fn d(&self) -> F16 {
        let nibble = |i: usize| self.scales[i][1] >> 4;
        F16([nibble(0) | nibble(1) << 4, nibble(2) | nibble(3) << 4])
    }

    /// Follows ggml's `dequantize_row_iq1_m`.
    fn integers(&self, out: &mut Integers) {
        out.steps = std::array::from_fn(|group| {
            let scales = u16::from_le_bytes(self.scales[group / 4]);
            2 * (scales >> (3 * (group % 4)) & 7) as i8 + 1
        });
        for (e, out) in out.q.chunks_exact_mut(8).enumerate() {
            let qh = usize::from(self.qh[e / 2] >> (e % 2 * 4) & 15);
            let number = usize::from(self.qs[e]) | (qh & 7) << 8;
            IQ1_S.eight_shifted(number, qh >> 3 == 1, out);
        }
    }
}
