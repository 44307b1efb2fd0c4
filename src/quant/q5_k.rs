//! Q5_K: 256 weights of 5 bits in 8 groups, each with a 6-bit scale and a 6-bit minimum.

use super::{Block, F16, block_bytes, scale_and_min};

/// As Q4_K, and the fifth bit of weight l of group g is bit g of `qh[l]`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ5K {
    pub d: F16,
    pub dmin: F16,
    pub scales: [u8; 12],
    pub qh: [u8; 32],
    pub qs: [u8; 128],
}
block_bytes!(BlockQ5K, 176);

impl Block<256> for BlockQ5K {
    /// `dequantize_row_q5_K`
    fn dequantize(&self, out: &mut [f32; 256]) {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (scale, min) = scale_and_min(&self.scales, group);
            let (scale, min) = (d * f32::from(scale), dmin * f32::from(min));
            for (l, out) in out.iter_mut().enumerate() {
                let low = self.qs[group / 2 * 32 + l] >> (group % 2 * 4) & 15;
                let high = self.qh[l] >> group & 1;
                *out = scale * f32::from(low | high << 4) - min;
            }
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite() && self.dmin.is_finite()
    }
}
