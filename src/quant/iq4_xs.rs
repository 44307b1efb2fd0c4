//! IQ4_XS packs 256 weights of 4 bits, numbers of IQ4_NL's values, in 8 groups, each with a 6-bit
//! scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers};
use super::floats::F16;
use super::iq4_nl;

/// Weight i of group g = i / 32 is `d * (scale(g) - 32) * value`. A scale has its low 4 bits in
/// `scales_l` and its high 2 bits in `scales_h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ4XS {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the high bits of the groups' scales.
    pub scales_h: [u8; 2],
    /// Holds the low bits of the groups' scales.
    pub scales_l: [u8; 4],
    /// Holds the numbers of the values, 16 bytes a group as in IQ4_NL.
    pub qs: [u8; 128],
}
block_bytes!(BlockIQ4XS, 136);

impl CodebookBlock for BlockIQ4XS {
    const CODEBOOK: [i8; 16] = iq4_nl::CODEBOOK;

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_iq4_xs`.
    fn integers(&self, out: &mut Integers) {
        let high = u16::from_le_bytes(self.scales_h);
        for group in 0..8 {
            let low = self.scales_l[group / 2] >> (group % 2 * 4) & 15;
            let scale = (low | ((high >> (2 * group) & 3) as u8) << 4) as i8 - 32;
            out.steps[2 * group..][..2].fill(scale);
            out.q[32 * group..][..32].copy_from_slice(&iq4_nl::look_up(
                &self.qs[16 * group..][..16],
                &iq4_nl::CODEBOOK,
            ));
        }
    }
}
