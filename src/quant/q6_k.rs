//! Q6_K: 256 weights of 6 bits around zero in 16 groups, each with an 8-bit scale.

use super::{Block, F16, block_bytes};

/// Weight i of group g = i / 16 is `d * scales[g] * (q - 32)`.
/// In each half of the block, a byte of `ql` holds the low 4 bits of weights l (low nibble) and l + 64 (high nibble), l < 64,
/// and a byte of `qh` the high 2 bits of weights l, l + 32, l + 64 and l + 96, from the low bits up.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ6K {
    pub ql: [u8; 128],
    pub qh: [u8; 64],
    pub scales: [i8; 16],
    pub d: F16,
}
block_bytes!(BlockQ6K, 210);

impl Block<256> for BlockQ6K {
    /// `dequantize_row_q6_K`
    fn dequantize(&self, out: &mut [f32; 256]) {
        let d = self.d.to_f32();
        for (i, out) in out.iter_mut().enumerate() {
            let low = self.ql[i / 128 * 64 + i % 64] >> (i / 64 % 2 * 4) & 15;
            let high = self.qh[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
            let q = (low | high << 4) as i8 - 32;
            *out = d * f32::from(self.scales[i / 16]) * f32::from(q);
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}
