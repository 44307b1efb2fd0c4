//! Q8_0: 32 weights of 8 bits around zero, one scale.

use super::q4_0::inverse_or_zero;
use super::{F16, Levelled, Levels, Quantize, block_bytes};

/// Weight i is `d * qs[i]`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ8_0 {
    pub d: F16,
    pub qs: [i8; 32],
}
block_bytes!(BlockQ8_0, 34);

impl Levelled<1> for BlockQ8_0 {
    /// `dequantize_row_q8_0`
    fn levels(&self, out: &mut [Levels; 1]) {
        *out = [Levels::symmetric(self.qs, self.d.to_f32())];
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}

impl Quantize<32> for BlockQ8_0 {
    /// `quantize_row_q8_0_ref`
    fn quantize(values: &[f32; 32]) -> Self {
        let d = values
            .iter()
            .fold(0.0, |max: f32, value| max.max(value.abs()))
            / 127.0;
        let inverse = inverse_or_zero(d);
        Self {
            d: F16::from_f32(d),
            qs: values.map(|value| (value * inverse).round() as i8),
        }
    }
}
