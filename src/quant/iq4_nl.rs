//! IQ4_NL packs 32 weights of 4 bits, which are the numbers of values that lie closer about zero,
//! with one scale.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::floats::F16;

/// Lists the values of IQ4_NL and IQ4_XS (ggml's `kvalues_iq4nl`).
pub(super) const CODEBOOK: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// Weight i is `d * value`, of which `qs` has the number as Q4_0 has its integers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockIQ4NL {
    /// Holds the scale.
    pub d: F16,
    /// Holds the numbers of the values.
    pub qs: [u8; 16],
}
block_bytes!(BlockIQ4NL, 18);

/// Returns the 32 values of 16 bytes: the low nibbles are the first half, the high ones the second.
pub(super) fn look_up(qs: &[u8], codebook: &[i8; 16]) -> [i8; 32] {
    std::array::from_fn(|i| codebook[(qs[i % 16] >> (i / 16 * 4) & 15) as usize])
}

impl QuantizedBlock<1> for BlockIQ4NL {
    /// Follows ggml's `dequantize_row_iq4_nl`.
    fn quants(&self, out: &mut [Quants; 1]) {
        *out = [Quants::symmetric(
            look_up(&self.qs, &CODEBOOK),
            self.d.to_f32(),
        )];
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}
