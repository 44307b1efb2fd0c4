//! Q4_K packs 256 weights of 4 bits in 8 groups, each with a 6-bit scale and a 6-bit minimum.

use super::block::{QuantizedBlock, Quants, block_bytes};
use super::floats::F16;

/// Weight i of group g = i / 32 is `d * scale(g) * q - dmin * min(g)`.
/// The low nibbles of 32 bytes of `qs` are an even group, the high nibbles the odd group after it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ4K {
    /// Holds the scale of the scales (ggml's super-scale).
    pub d: F16,
    /// Holds the scale of the minimums.
    pub dmin: F16,
    /// Holds the groups' scales and minimums, see [`scale_and_min`].
    pub scales: [u8; 12],
    /// Holds the integers of 4 bits.
    pub qs: [u8; 128],
}
block_bytes!(BlockQ4K, 144);

/// Returns the scale and the minimum, 0 to 63 each, of a group 0 to 7 of a Q4_K or Q5_K block, as
/// ggml's `get_scale_min_k4` does.
///
/// Groups 0 to 3 have a byte for each. Groups 4 to 7 have their low 4 bits in a shared byte, and
/// their high 2 bits in the high bits of the first four groups' bytes.
pub fn scale_and_min(scales: &[u8; 12], group: usize) -> (u8, u8) {
    if group < 4 {
        (scales[group] & 63, scales[group + 4] & 63)
    } else {
        let low = scales[group + 4];
        (
            low & 15 | scales[group - 4] >> 6 << 4,
            low >> 4 | scales[group] >> 6 << 4,
        )
    }
}

impl QuantizedBlock<8> for BlockQ4K {
    /// Follows ggml's `dequantize_row_q4_K`.
    fn quants(&self, out: &mut [Quants; 8]) {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        for (group, out) in out.iter_mut().enumerate() {
            let (scale, min) = scale_and_min(&self.scales, group);
            let q = std::array::from_fn(|l| {
                (self.qs[group / 2 * 32 + l] >> (group % 2 * 4) & 15) as i8
            });
            *out = Quants::above_minimum(q, d * f32::from(scale), dmin * f32::from(min));
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite() && self.dmin.is_finite()
    }
}
