//! Q1_0 packs 128 weights of one bit, with one scale.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::floats::F16;

/// Weight i is `d` where bit i of `qs` is set, and else `-d`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ1_0 {
    /// Holds the scale.
    pub d: F16,
    /// Holds the signs.
    pub qs: [u8; 16],
}
block_bytes!(BlockQ1_0, 18);

impl QuantizedBlock<4> for BlockQ1_0 {
    /// Follows ggml's `dequantize_row_q1_0`.
    fn quants(&self, out: &mut [Quants; 4]) {
        for (qs, out) in self.qs.as_chunks::<4>().0.iter().zip(out) {
            let q = std::array::from_fn(|i| 2 * (qs[i / 8] >> (i % 8) & 1) as i8 - 1);
            *out = Quants::symmetric(q, self.d.to_f32());
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}
