//! Q8_0 packs 32 weights of 8 bits around zero, with one scale.

use super::block::{Quantize, QuantizedBlock, Quants, block_bytes};
use super::floats::F16;
use super::q4_0::inverse_or_zero;

/// Weight i is `d * qs[i]`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ8_0 {
    /// Holds the scale.
    pub d: F16,
    /// Holds the integers.
    pub qs: [i8; 32],
}
block_bytes!(BlockQ8_0, 34);

impl QuantizedBlock<1> for BlockQ8_0 {
    /// Follows ggml's `dequantize_row_q8_0`.
    fn quants(&self, out: &mut [Quants; 1]) {
        *out = [Quants::symmetric(self.qs, self.d.to_f32())];
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}

impl Quantize<32> for BlockQ8_0 {
    /// Follows ggml's `quantize_row_q8_0_ref`.
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
