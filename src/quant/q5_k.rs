//! Q5_K packs 256 weights of 5 bits in 8 groups, each with a 6-bit scale and a 6-bit minimum.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::floats::F16;
use super::q4_k::scale_and_min;

/// The block is that of Q4_K with a fifth bit: that of weight l of group g is bit g of `qh[l]`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ5K {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the scale of the minimums.
    pub dmin: F16,
    /// Holds the groups' scales and minimums, see [`scale_and_min`].
    pub scales: [u8; 12],
    /// Holds the high bit of each integer.
    pub qh: [u8; 32],
    /// Holds the low 4 bits of each integer.
    pub qs: [u8; 128],
}
block_bytes!(BlockQ5K, 176);

impl QuantizedBlock<8> for BlockQ5K {
    /// Follows ggml's `dequantize_row_q5_K`.
    fn quants(&self, out: &mut [Quants; 8]) {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        for (group, out) in out.iter_mut().enumerate() {
            let (scale, min) = scale_and_min(&self.scales, group);
            let q = std::array::from_fn(|l| {
                let low = self.qs[group / 2 * 32 + l] >> (group % 2 * 4) & 15;
                let high = self.qh[l] >> group & 1;
                (low | high << 4) as i8
            });
            *out = Quants::above_minimum(q, d * f32::from(scale), dmin * f32::from(min));
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite() && self.dmin.is_finite()
    }
}
