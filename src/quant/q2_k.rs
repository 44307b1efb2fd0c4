//! Q2_K packs 256 weights of 2 bits in 16 groups, each with a 4-bit scale and a 4-bit minimum.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::floats::F16;

/// Weight i of group g = i / 16 is `d * (scales[g] & 15) * q - dmin * (scales[g] >> 4)`.
/// A byte of `qs` holds weights l, l + 32, l + 64 and l + 96 of its half of the block, from the low
/// bits up.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ2K {
    /// Holds the groups' scales (low nibbles) and minimums (high nibbles).
    pub scales: [u8; 16],
    /// Holds the integers of 2 bits.
    pub qs: [u8; 64],
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the scale of the minimums.
    pub dmin: F16,
}
block_bytes!(BlockQ2K, 84);

impl QuantizedBlock<8> for BlockQ2K {
    /// Follows ggml's `dequantize_row_q2_K`.
    fn quants(&self, out: &mut [Quants; 8]) {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        for (group, out) in out.iter_mut().enumerate() {
            out.q =
                std::array::from_fn(|l| (self.qs[group / 4 * 32 + l] >> (group % 4 * 2) & 3) as i8);
            out.scale = std::array::from_fn(|i| d * f32::from(self.scales[2 * group + i] & 15));
            out.minimum =
                std::array::from_fn(|i| dmin * f32::from(self.scales[2 * group + i] >> 4));
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite() && self.dmin.is_finite()
    }
}
