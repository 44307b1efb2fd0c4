//! F32, F16 and BF16 are blocks of one weight, in which nothing is packed. [`F16`] is also the type
//! of every format's scales.

use super::block::{Block, Quantize, block_bytes};
use half::{bf16, f16};

/// Holds a half float, little-endian as in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct F16(pub [u8; 2]);
block_bytes!(F16, 2);

impl F16 {
    /// Rounds to the nearest half float, ties to even.
    pub fn from_f32(value: f32) -> Self {
        Self(f16::from_f32(value).to_le_bytes())
    }

    /// Returns the same number as a float of 32 bits.
    pub fn to_f32(self) -> f32 {
        f16::from_le_bytes(self.0).to_f32()
    }

    /// Returns whether the number is neither NaN nor infinite.
    pub fn is_finite(self) -> bool {
        f16::from_le_bytes(self.0).is_finite()
    }
}

impl Block<1> for F16 {
    fn dequantize(&self, out: &mut [f32; 1]) {
        *out = [self.to_f32()];
    }

    fn scales_are_finite(&self) -> bool {
        self.is_finite()
    }
}

impl Quantize<1> for F16 {
    fn quantize(&[value]: &[f32; 1]) -> Self {
        Self::from_f32(value)
    }
}

/// Holds the upper half of a float, little-endian as in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct BF16(pub [u8; 2]);
block_bytes!(BF16, 2);

impl Block<1> for BF16 {
    fn dequantize(&self, out: &mut [f32; 1]) {
        *out = [bf16::from_le_bytes(self.0).to_f32()];
    }

    fn scales_are_finite(&self) -> bool {
        bf16::from_le_bytes(self.0).is_finite()
    }
}

impl Quantize<1> for BF16 {
    fn quantize(&[value]: &[f32; 1]) -> Self {
        Self(bf16::from_f32(value).to_le_bytes())
    }
}

/// Holds a float, little-endian as in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct F32(pub [u8; 4]);
block_bytes!(F32, 4);

impl Block<1> for F32 {
    fn dequantize(&self, out: &mut [f32; 1]) {
        *out = [f32::from_le_bytes(self.0)];
    }

    fn scales_are_finite(&self) -> bool {
        f32::from_le_bytes(self.0).is_finite()
    }
}

impl Quantize<1> for F32 {
    fn quantize(&[value]: &[f32; 1]) -> Self {
        Self(value.to_le_bytes())
    }
}
