//! Q5_K: 256 weights of 5 bits in 8 groups, each with a 6-bit scale and a 6-bit minimum.

use super::{F16, Levelled, Levels, block_bytes, scale_and_min};

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

impl Levelled<8> for BlockQ5K {
    /// `dequantize_row_q5_K`
    fn levels(&self, out: &mut [Levels; 8]) {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        for (group, out) in out.iter_mut().enumerate() {
            let (scale, min) = scale_and_min(&self.scales, group);
            let q = std::array::from_fn(|l| {
                let low = self.qs[group / 2 * 32 + l] >> (group % 2 * 4) & 15;
                let high = self.qh[l] >> group & 1;
                (low | high << 4) as i8
            });
            *out = Levels::above_minimum(q, d * f32::from(scale), dmin * f32::from(min));
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite() && self.dmin.is_finite()
    }
}
