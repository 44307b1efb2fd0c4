//! Q4_0: 32 weights of 4 bits around zero, one scale.

use super::{Block, F16, Quantize, block_bytes};

/// Weight i is `d * (q - 8)`. The low nibbles of `qs` are weights 0 to 15, the high ones 16 to 31.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ4_0 {
    pub d: F16,
    pub qs: [u8; 16],
}
block_bytes!(BlockQ4_0, 18);

impl Block<32> for BlockQ4_0 {
    /// `dequantize_row_q4_0`
    fn dequantize(&self, out: &mut [f32; 32]) {
        let d = self.d.to_f32();
        for (i, &q) in self.qs.iter().enumerate() {
            out[i] = d * (i32::from(q & 15) - 8) as f32;
            out[i + 16] = d * (i32::from(q >> 4) - 8) as f32;
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}

impl Quantize<32> for BlockQ4_0 {
    /// `quantize_row_q4_0_ref`
    fn quantize(values: &[f32; 32]) -> Self {
        let d = farthest_from_zero(values) / -8.0;
        let inverse = inverse_or_zero(d);
        let q = |value: f32| ((value * inverse + 8.5) as u8).min(15);
        Self { d: F16::from_f32(d), qs: std::array::from_fn(|i| q(values[i]) | q(values[i + 16]) << 4) }
    }
}

/// The first of the values with the largest magnitude: the one that a symmetric format meets exactly.
pub(super) fn farthest_from_zero(values: &[f32; 32]) -> f32 {
    values.iter().fold(0.0, |farthest: f32, &value| if value.abs() > farthest.abs() { value } else { farthest })
}

/// `1 / d`, and 0 for the block of zeros, whose scale is 0.
pub(super) fn inverse_or_zero(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}
