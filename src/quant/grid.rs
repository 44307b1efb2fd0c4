//! Grids are what the IQ formats of 1 to 3 bits choose from: each entry is the values of 4 or 8
//! weights together.
//!
//! The tables are ggml's (`ggml-common.h`; LICENSE-ggml), packed by `tests/fixtures/make_grids.py`.

use super::codebook::codebook;

/// Holds the entries of a grid: for each weight the number of its value, 2 or 3 bits each.
pub(super) struct Grid(&'static [u8]);

macro_rules! grid {
    ($name:literal) => {
        Grid(include_bytes!(concat!("grids/", $name, ".bin")))
    };
}

pub(super) const IQ1_S: Grid = grid!("iq1_s");
pub(super) const IQ2_S: Grid = grid!("iq2_s");
pub(super) const IQ2_XS: Grid = grid!("iq2_xs");
pub(super) const IQ2_XXS: Grid = grid!("iq2_xxs");
pub(super) const IQ3_S: Grid = grid!("iq3_s");
pub(super) const IQ3_XXS: Grid = grid!("iq3_xxs");

/// Lists the values of the grids of IQ2.
const MAGNITUDES: [i8; 4] = [8, 25, 43, 0];

/// Lists the values of IQ2 with their signs.
pub(super) const IQ2_CODEBOOK: [i8; 16] = codebook(&[-43, -25, -8, 8, 25, 43]);

/// Lists what IQ1 makes of -1, 0 and 1 and a shift of an eighth, in eighths.
pub(super) const IQ1_CODEBOOK: [i8; 16] = codebook(&[-9, -7, -1, 1, 7, 9]);

impl Grid {
    fn entry(&self, number: usize) -> u32 {
        u32::from(u16::from_le_bytes([
            self.0[2 * number],
            self.0[2 * number + 1],
        ]))
    }

    /// Writes the 8 weights of an entry of IQ2; bit i of `signs` makes weight i negative.
    pub(super) fn eight(&self, number: usize, signs: u8, out: &mut [i8]) {
        let entry = self.entry(number);
        for (i, out) in out.iter_mut().enumerate() {
            *out = signed(MAGNITUDES[(entry >> (2 * i) & 3) as usize], signs >> i);
        }
    }

    /// Writes the 8 weights of an entry of IQ1, in eighths, shifted by an eighth up or down.
    pub(super) fn eight_shifted(&self, number: usize, is_down: bool, out: &mut [i8]) {
        let entry = self.entry(number);
        for (i, out) in out.iter_mut().enumerate() {
            *out = 8 * ((entry >> (2 * i) & 3) as i8 - 1) + if is_down { -1 } else { 1 };
        }
    }

    /// Writes the 4 weights of an entry of IQ3, whose values are `magnitudes`.
    pub(super) fn four(&self, number: usize, magnitudes: &[i8; 8], signs: u8, out: &mut [i8]) {
        let entry = self.entry(number);
        for (i, out) in out.iter_mut().enumerate() {
            *out = signed(magnitudes[(entry >> (3 * i) & 7) as usize], signs >> i);
        }
    }
}

fn signed(magnitude: i8, sign: u8) -> i8 {
    if sign & 1 == 1 { -magnitude } else { magnitude }
}

/// Returns the signs of 8 weights by 7 bits: the number of negative ones is even (ggml's
/// `ksigns_iq2xs`).
pub(super) fn even_signs(bits: u32) -> u8 {
    let bits = (bits & 127) as u8;
    bits | ((bits.count_ones() & 1) as u8) << 7
}
