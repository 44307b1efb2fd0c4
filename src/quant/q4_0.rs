//! Q4_0 packs 32 weights of 4 bits around zero, with one scale.

use super::block::{Quantize, QuantizedBlock, Quants, block_bytes};
use super::floats::F16;

/// Weight i is `d * (q - 8)`. The low nibbles of `qs` are weights 0 to 15, the high ones 16 to 31.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ4_0 {
    /// Holds the scale.
    pub d: F16,
    /// Holds the integers of 4 bits.
    pub qs: [u8; 16],
}
block_bytes!(BlockQ4_0, 18);

impl QuantizedBlock<1> for BlockQ4_0 {
    /// Follows ggml's `dequantize_row_q4_0`.
    fn quants(&self, out: &mut [Quants; 1]) {
        let q = nibbles(&self.qs).map(|q| q as i8 - 8);
        *out = [Quants::symmetric(q, self.d.to_f32())];
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}

impl Quantize<32> for BlockQ4_0 {
    /// Follows ggml's `quantize_row_q4_0_ref`.
    fn quantize(values: &[f32; 32]) -> Self {
        let d = farthest_from_zero(values) / -8.0;
        let inverse = inverse_or_zero(d);
        let q = |value: f32| ((value * inverse + 8.5) as u8).min(15);
        Self {
            d: F16::from_f32(d),
            qs: std::array::from_fn(|i| q(values[i]) | q(values[i + 16]) << 4),
        }
    }
}

/// Returns the integers of 32 weights: low nibbles are weights 0 to 15, high ones 16 to 31. Whole
/// arrays become vectors, for loading a model is mostly this.
pub(super) fn nibbles(qs: &[u8; 16]) -> [u8; 32] {
    bytemuck::cast([qs.map(|q| q & 15), qs.map(|q| q >> 4)])
}

/// Returns the first of the values with the largest magnitude, which a symmetric format meets
/// exactly.
pub(super) fn farthest_from_zero(values: &[f32; 32]) -> f32 {
    values.iter().fold(0.0, |farthest: f32, &value| {
        if value.abs() > farthest.abs() {
            value
        } else {
            farthest
        }
    })
}

/// Returns `1 / d`, and 0 for a block of zeros, whose scale is 0.
pub(super) fn inverse_or_zero(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}
