//! Q5_0 packs 32 weights of 5 bits around zero, with one scale.

use super::block::{Quantize, QuantizedBlock, Quants, block_bytes};
use super::floats::F16;
use super::q4_0::{farthest_from_zero, inverse_or_zero};

/// Weight i is `d * (q - 16)`, where `q`'s low 4 bits lie in `qs` as in Q4_0 and its fifth is bit i
/// of `qh`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ5_0 {
    /// Holds the scale.
    pub d: F16,
    /// Holds the high bit of each integer.
    pub qh: [u8; 4],
    /// Holds the low 4 bits of each integer.
    pub qs: [u8; 16],
}
block_bytes!(BlockQ5_0, 22);

impl QuantizedBlock<1> for BlockQ5_0 {
    /// Follows ggml's `dequantize_row_q5_0`.
    fn quants(&self, out: &mut [Quants; 1]) {
        *out = [Quants::symmetric(
            minus_16(unpack(self.qh, &self.qs)),
            self.d.to_f32(),
        )];
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite()
    }
}

impl Quantize<32> for BlockQ5_0 {
    /// Follows ggml's `quantize_row_q5_0_ref`.
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

/// Returns the 5-bit integers of Q5_0 and Q5_1, in the order of the weights, eight bytes a word.
///
/// They stay words until they are stored, for loading a model is mostly this, and a compiler that
/// is given bytes makes vectors of them one by one.
pub(super) fn unpack(qh: [u8; 4], qs: &[u8; 16]) -> [u64; 4] {
    let word = |i: usize| {
        let nibbles = u64::from_le_bytes(std::array::from_fn(|t| qs[i % 2 * 8 + t])) >> (i / 2 * 4)
            & LOW_NIBBLES;
        // Byte t keeps bit t alone; adding 127 sets its top bit if that was set, and 128 >> 3 is
        // 16.
        let fifths = u64::from(qh[i]).wrapping_mul(EACH_BYTE) & DIAGONAL;
        nibbles | ((fifths + 127 * EACH_BYTE) & TOP_BITS) >> 3
    };
    [word(0), word(1), word(2), word(3)]
}

/// Subtracts 16 from each byte of the words.
fn minus_16(words: [u64; 4]) -> [i8; 32] {
    // With its top bit set, a byte borrows nothing from the next one.
    let minus = |word: u64| ((word | TOP_BITS) - 16 * EACH_BYTE) ^ TOP_BITS;
    bytemuck::cast(words.map(|word| minus(word).to_le()))
}

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
const LOW_NIBBLES: u64 = 15 * EACH_BYTE;
const TOP_BITS: u64 = 128 * EACH_BYTE;
const DIAGONAL: u64 = 0x8040_2010_0804_0201;

/// Packs 5-bit integers: the inverse of [`unpack`].
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
