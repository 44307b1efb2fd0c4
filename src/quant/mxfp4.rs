//! MXFP4 packs 32 weights that are floats of 4 bits, with a power of two.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::iq4_nl::look_up;

/// Lists the floats of 4 bits (a sign, 2 bits of exponent, 1 of mantissa), doubled: ggml's
/// `kvalues_mxfp4`.
pub(super) const CODEBOOK: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// Weight i is `2^(e - 128) * value`, of which `qs` has the number as Q4_0 has its integers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockMXFP4 {
    /// Holds the exponent.
    pub e: u8,
    /// Holds the numbers of the values.
    pub qs: [u8; 16],
}
block_bytes!(BlockMXFP4, 17);

impl QuantizedBlock<1> for BlockMXFP4 {
    /// Follows ggml's `dequantize_row_mxfp4`.
    fn quants(&self, out: &mut [Quants; 1]) {
        // Below 2, the power is a subnormal float.
        let bits = match u32::from(self.e) {
            e @ ..2 => 0x0020_0000 << e,
            e => (e - 1) << 23,
        };
        *out = [Quants::symmetric(
            look_up(&self.qs, &CODEBOOK),
            f32::from_bits(bits),
        )];
    }

    /// The largest power that an f16 holds, as kernels have scales, is 2^15; models have none above
    /// 1.
    fn scales_are_finite(&self) -> bool {
        self.e <= 128 + 15
    }
}
