//! NVFP4 packs 64 weights that are floats of 4 bits in 4 groups, each with a scale that is a float
//! of 8 bits.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::mxfp4::CODEBOOK;

/// Weight i of group g = i / 16 is `scale(g) * value`, with the values of MXFP4. The low nibbles of
/// a group's 8 bytes are its first half, the high ones the second.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockNVFP4 {
    /// Holds the groups' scales: 4 bits of exponent, 3 of mantissa.
    pub d: [u8; 4],
    /// Holds the numbers of the values.
    pub qs: [[u8; 8]; 4],
}
block_bytes!(BlockNVFP4, 36);

/// Returns half of a scale, for the values are doubled. The byte that would be NaN is 0, as in
/// ggml.
fn half_scale(byte: u8) -> f32 {
    let (exponent, mantissa) = (u32::from(byte >> 3 & 15), f32::from(byte & 7));
    match byte {
        0x7f => 0.0,
        _ if exponent == 0 => mantissa / 1024.0,
        _ => (8.0 + mantissa) * (1_u32 << exponent) as f32 / 2048.0,
    }
}

impl QuantizedBlock<2> for BlockNVFP4 {
    /// Follows ggml's `dequantize_row_nvfp4`.
    fn quants(&self, out: &mut [Quants; 2]) {
        let scales = self.d.map(half_scale);
        for (half, out) in out.iter_mut().enumerate() {
            let q = std::array::from_fn(|i| {
                let byte = self.qs[2 * half + i / 16][i % 8];
                CODEBOOK[(byte >> (i % 16 / 8 * 4) & 15) as usize]
            });
            *out = Quants::of_halves(q, [scales[2 * half], scales[2 * half + 1]]);
        }
    }

    fn scales_are_finite(&self) -> bool {
        true
    }
}
