//! Q5_1 packs 32 weights of 5 bits above a minimum, with one scale.

use super::block::{Quantize, QuantizedBlock, Quants, block_bytes};
use super::floats::F16;
use super::q4_0::inverse_or_zero;
use super::q4_1::min_and_max;
use super::q5_0::{pack, unpack};

/// Weight i is `d * q + m`, where `q`'s low 4 bits lie in `qs` as in Q4_1 and its fifth is bit i of
/// `qh`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ5_1 {
    /// Holds the scale.
    pub d: F16,
    /// Holds the minimum.
    pub m: F16,
    /// Holds the high bit of each integer.
    pub qh: [u8; 4],
    /// Holds the low 4 bits of each integer.
    pub qs: [u8; 16],
}
block_bytes!(BlockQ5_1, 24);

impl QuantizedBlock<1> for BlockQ5_1 {
    /// Follows ggml's `dequantize_row_q5_1`.
    fn quants(&self, out: &mut [Quants; 1]) {
        *out = [Quants::above_minimum(
            bytemuck::cast(unpack(self.qh, &self.qs).map(u64::to_le)),
            self.d.to_f32(),
            -self.m.to_f32(),
        )];
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite() && self.m.is_finite()
    }
}

impl Quantize<32> for BlockQ5_1 {
    /// Follows ggml's `quantize_row_q5_1_ref`.
    fn quantize(values: &[f32; 32]) -> Self {
        let (min, max) = min_and_max(values);
        let d = (max - min) / 31.0;
        let inverse = inverse_or_zero(d);
        let (qh, qs) = pack(&values.map(|value| (((value - min) * inverse + 0.5) as u8).min(31)));
        Self {
            d: F16::from_f32(d),
            m: F16::from_f32(min),
            qh,
            qs,
        }
    }
}
