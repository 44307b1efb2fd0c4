//! Q6_K packs 256 weights of 6 bits around zero in 16 groups, each with an 8-bit scale.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::floats::F16;

/// Weight i of group g = i / 16 is `d * scales[g] * (q - 32)`.
///
/// In each half of the block, a byte of `ql` holds the low 4 bits of weights l (low nibble) and l +
/// 64 (high nibble), l < 64, and a byte of `qh` the high 2 bits of weights l, l + 32, l + 64 and l
/// + 96, from the low bits up.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ6K {
    /// Holds the low 4 bits of each integer.
    pub ql: [u8; 128],
    /// Holds the high 2 bits of each integer.
    pub qh: [u8; 64],
    /// Holds the groups' scales.
    pub scales: [i8; 16],
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
}
block_bytes!(BlockQ6K, 210);

impl QuantizedBlock<8> for BlockQ6K {
    /// Follows ggml's `dequantize_row_q6_K`.
    fn quants(&self, out: &mut [Quants; 8]) {
        let d = self.d.to_f32();
        for (group, out) in out.iter_mut().enumerate() {
            let (half, quarter) = (group / 4, group % 4);
            out.q = std::array::from_fn(|l| {
                let low = self.ql[half * 64 + quarter % 2 * 32 + l] >> (quarter / 2 * 4) & 15;
                let high = self.qh[half * 32 + l] >> (quarter * 2) & 3;
                (low | high << 4) as i8 - 32
            });
            out.scale = std::array::from_fn(|i| d * f32::from(self.scales[2 * group + i]));
            out.minimum = [0.0; 2];
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}
