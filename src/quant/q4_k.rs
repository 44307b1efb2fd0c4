//! Q4_K: 256 weights of 4 bits in 8 groups, each with a 6-bit scale and a 6-bit minimum.

use super::{F16, Levelled, Levels, block_bytes};

/// Weight i of group g = i / 32 is `d * scale(g) * q - dmin * min(g)`.
/// The low nibbles of 32 bytes of `qs` are an even group, the high ones the odd group after it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockQ4K {
    pub d: F16,
    pub dmin: F16,
    pub scales: [u8; 12],
    pub qs: [u8; 128],
}
block_bytes!(BlockQ4K, 144);

/// Scale and minimum, 0 to 63 each, of a group 0 to 7 of a Q4_K or Q5_K block: `get_scale_min_k4`.
/// Groups 0 to 3 have a byte each for both; groups 4 to 7 share bytes for their low 4 bits, and their high 2 bits top those of the first four.
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

impl Levelled<8> for BlockQ4K {
    /// `dequantize_row_q4_K`
    fn levels(&self, out: &mut [Levels; 8]) {
        let (d, dmin) = (self.d.to_f32(), self.dmin.to_f32());
        for (group, out) in out.iter_mut().enumerate() {
            let (scale, min) = scale_and_min(&self.scales, group);
            let q = std::array::from_fn(|l| {
                (self.qs[group / 2 * 32 + l] >> (group % 2 * 4) & 15) as i8
            });
            *out = Levels::above_minimum(q, d * f32::from(scale), dmin * f32::from(min));
        }
    }

    fn scales_are_finite(&self) -> bool {
        self.d.is_finite() && self.dmin.is_finite()
    }
}
