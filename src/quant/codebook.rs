//! Formats of few values have a codebook: the integers that a weight is one of.

use super::block::{QuantizedBlock, Quants};
use super::floats::F16;

/// Holds 256 weights that are one of at most 16 integers, times a small integer for each 16 of
/// them, times one scale: `scale() * steps[i / 16] * q[i]`.
pub trait CodebookBlock: bytemuck::Pod {
    /// Lists the integers that a weight may be. Zeros fill it up.
    const CODEBOOK: [i8; 16];
    /// Multiplies the scale of the file, so that all else is an integer.
    const FACTOR: f32 = 1.0;

    /// Returns the scale as the file has it.
    fn d(&self) -> F16;
    /// Unpacks the integers.
    fn integers(&self, out: &mut Integers);
    /// Returns the scale of the block.
    fn scale(&self) -> f32 {
        Self::FACTOR * self.d().to_f32()
    }
}

/// Holds the integers of a [`CodebookBlock`].
pub struct Integers {
    /// Holds those of the weights.
    pub q: [i8; 256],
    /// Holds those of 16 weights each.
    pub steps: [i8; 16],
}

impl Integers {
    /// Holds zeros, to be unpacked to.
    pub const ZERO: Self = Self {
        q: [0; 256],
        steps: [0; 16],
    };
}

impl<B: CodebookBlock> QuantizedBlock<8> for B {
    fn quants(&self, out: &mut [Quants; 8]) {
        let mut integers = Integers::ZERO;
        self.integers(&mut integers);
        let scale = self.scale();
        let groups = integers
            .q
            .as_chunks()
            .0
            .iter()
            .zip(integers.steps.as_chunks().0);
        for (out, (&q, &steps)) in out.iter_mut().zip(groups) {
            *out = Quants::of_halves(q, steps.map(|step: i8| scale * f32::from(step)));
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d().is_finite()
    }
}

/// Returns a codebook of these values, with zeros after them.
pub(super) const fn codebook(values: &[i8]) -> [i8; 16] {
    let mut codebook = [0; 16];
    let mut i = 0;
    while i < values.len() {
        codebook[i] = values[i];
        i += 1;
    }
    codebook
}
