//! Q3_K packs 256 weights of 3 bits around zero in 16 groups, each with a 6-bit scale.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::floats::F16;

/// Weight i of group g = i / 16 is `d * scale(g) * q`, with q from -4 to 3. The low 2 bits of `q`
/// lie in `qs` as in Q2_K; bit i / 32 of `hmask[i % 32]` is its sign: where the bit is 0, 4 is
/// subtracted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ3K {
    /// Holds the high bit of each integer.
    pub hmask: [u8; 32],
    /// Holds the low 2 bits of each integer.
    pub qs: [u8; 64],
    /// Holds the groups' scales, see [`BlockQ3K::scale`].
    pub scales: [u8; 12],
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
}
block_bytes!(BlockQ3K, 110);

impl BlockQ3K {
    /// Returns the scale, -32 to 31, of a group 0 to 15. Its low 4 bits are a nibble of the first 8
    /// bytes of `scales`; its high 2 bits lie in the last 4 bytes.
    pub fn scale(&self, group: usize) -> i8 {
        let low = self.scales[group % 8] >> (group / 8 * 4) & 15;
        let high = self.scales[8 + group % 4] >> (group / 4 * 2) & 3;
        (low | high << 4) as i8 - 32
    }
}

impl QuantizedBlock<8> for BlockQ3K {
    /// Follows ggml's `dequantize_row_q3_K`.
    fn quants(&self, out: &mut [Quants; 8]) {
        let d = self.d.to_f32();
        for (group, out) in out.iter_mut().enumerate() {
            out.q = std::array::from_fn(|l| {
                let low = self.qs[group / 4 * 32 + l] >> (group % 4 * 2) & 3;
                let high = self.hmask[l] >> group & 1;
                (low | high << 2) as i8 - 4
            });
            out.scale = std::array::from_fn(|i| d * f32::from(self.scale(2 * group + i)));
            out.minimum = [0.0; 2];
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}
