//! Q4_1 packs 32 weights of 4 bits above a minimum, with one scale.

use super::block::{Quantize, QuantizedBlock, Quants, block_bytes};
use super::floats::F16;
use super::q4_0::{inverse_or_zero, nibbles};

/// Weight i is `d * q + m`. The low nibbles of `qs` are weights 0 to 15, the high ones 16 to 31.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ4_1 {
    /// Holds the scale.
    pub d: F16,
    /// Holds the minimum.
    pub m: F16,
    /// Holds the integers of 4 bits.
    pub qs: [u8; 16],
}
block_bytes!(BlockQ4_1, 20);

impl QuantizedBlock<1> for BlockQ4_1 {
    /// Follows ggml's `dequantize_row_q4_1`.
    fn quants(&self, out: &mut [Quants; 1]) {
        let q = nibbles(&self.qs).map(|q| q as i8);
        *out = [Quants::above_minimum(q, self.d.to_f32(), -self.m.to_f32())];
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite() && self.m.is_finite()
    }
}

impl Quantize<32> for BlockQ4_1 {
    /// Follows ggml's `quantize_row_q4_1_ref`.
    fn quantize(values: &[f32; 32]) -> Self {
        let (min, max) = min_and_max(values);
        let d = (max - min) / 15.0;
        let inverse = inverse_or_zero(d);
        let q = |value: f32| (((value - min) * inverse + 0.5) as u8).min(15);
        Self {
            d: F16::from_f32(d),
            m: F16::from_f32(min),
            qs: std::array::from_fn(|i| q(values[i]) | q(values[i + 16]) << 4),
        }
    }
}

pub(super) fn min_and_max(values: &[f32; 32]) -> (f32, f32) {
    values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), &value| {
            (min.min(value), max.max(value))
        })
}
