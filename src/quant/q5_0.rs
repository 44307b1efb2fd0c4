//! Q5_0: 32 weights of 5 bits around zero, one scale.

use super::q4_0::{farthest_from_zero, inverse_or_zero};
use super::{F16, Levelled, Levels, Quantize, block_bytes};

/// Weight i is `d * (q - 16)`, where `q`'s low 4 bits lie in `qs` as in Q4_0 and its fifth is bit i of `qh`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ5_0 {
    pub d: F16,
    pub qh: [u8; 4],
    pub qs: [u8; 16],
}
block_bytes!(BlockQ5_0, 22);

impl Levelled<1> for BlockQ5_0 {
    /// `dequantize_row_q5_0`
    fn levels(&self, out: &mut [Levels; 1]) {
        *out = [Levels::symmetric(
            unpack(self.qh, &self.qs).map(|q| q as i8 - 16),
            self.d.to_f32(),
        )];
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}

impl Quantize<32> for BlockQ5_0 {
    /// `quantize_row_q5_0_ref`
    fn quantize(values: &[f32; 32]) -> Self {
        let d = farthest_from_zero(values) / -16.0;
        let inverse = inverse_or_zero(d);
        let (qh, qs) = pack(&values.map(|value| ((value * inverse + 16.5) as u8).min(31)));
        Self {
            d: F16::from_f32(d),
            qh,
            qs,
        }
    }
}

/// The 5-bit integers of Q5_0 and Q5_1, in the order of the weights.
pub(super) fn unpack(qh: [u8; 4], qs: &[u8; 16]) -> [u8; 32] {
    // Eight at a time, a byte each: a load of a model is mostly this.
    let word = |i: usize| {
        let nibbles = u64::from_le_bytes(std::array::from_fn(|t| qs[i % 2 * 8 + t])) >> (i / 2 * 4)
            & LOW_NIBBLES;
        // Bit t of the byte alone in byte t, then whether it is set, as 128, then as 16.
        let fifths = u64::from(qh[i]).wrapping_mul(EACH_BYTE) & DIAGONAL;
        (nibbles | ((fifths + 127 * EACH_BYTE) & (128 * EACH_BYTE)) >> 3).to_le_bytes()
    };
    bytemuck::cast([word(0), word(1), word(2), word(3)])
}

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
const LOW_NIBBLES: u64 = 15 * EACH_BYTE;
const DIAGONAL: u64 = 0x8040_2010_0804_0201;

/// The way back from `unpack`.
pub(super) fn pack(q: &[u8; 32]) -> ([u8; 4], [u8; 16]) {
    let qh = q
        .iter()
        .enumerate()
        .fold(0, |qh, (i, &q)| qh | u32::from(q >> 4) << i);
    (
        qh.to_le_bytes(),
        std::array::from_fn(|i| q[i] & 15 | q[i + 16] << 4),
    )
}
