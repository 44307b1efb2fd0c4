//! Packs the quants and the scales of a row into its part of a block (drawn in `repack`).

/// Keeps the bits of `mask` of each byte of a word, and shifts the bytes left.
fn up(word: u32, shift: u32, mask: u8) -> u32 {
    (word & repeat(mask)) << shift
}
/// Shifts the bytes of a word right, and keeps the bits of `mask` of each.
fn down(word: u32, shift: u32, mask: u8) -> u32 {
    (word >> shift) & repeat(mask)
}
fn repeat(byte: u8) -> u32 {
    u32::from_ne_bytes([byte; 4])
}

/// Returns the two chunks of 3 bits that the three vectors hold together, as the kernels make them:
/// in bits 0..3 and 4..7 of each byte. Other bits mean nothing.
fn last_of_three(v: [u32; 3]) -> u32 {
    // The shifts are of 16 bits.
    let down = |word: u32, n: u32| (word >> n) & (0x0001_0001 * (0xffff >> n));
    down(v[0], 3) ^ down(v[1], 2) ^ down(v[2], 1)
}

/// Packs the chunks of a row, four quants a word, to the row's part of each vector, of which the
/// first `bits` are set.
#[inline(always)]
pub(super) fn pack(bits: u32, c: [u32; 8]) -> [u32; 8] {
    match bits {
        2 => std::array::from_fn(|j| {
            if j < 2 {
                c[4 * j] | c[4 * j + 1] << 2 | c[4 * j + 2] << 4 | c[4 * j + 3] << 6
            } else {
                0
            }
        }),
        3 => {
            // Bits 3 and 7 of each byte are chosen so that `last_of_three` is the last two chunks.
            let v: [u32; 3] = std::array::from_fn(|j| c[j] | c[4 + j] << 4);
            let wrong = last_of_three(v) ^ (c[3] | c[7] << 4);
            [
                v[0] | up(wrong, 3, 0x11),
                v[1] | up(wrong, 2, 0x22),
                v[2] | up(wrong, 1, 0x44),
                0,
                0,
                0,
                0,
                0,
            ]
        }
        4 => std::array::from_fn(|j| {
            if j < 4 {
                c[2 * j] | c[2 * j + 1] << 4
            } else {
                0
            }
        }),
        5 => [
            c[0] | up(c[5], 5, 7),
            c[1] | up(c[5] >> 3, 5, 3) | up(c[7] >> 3, 7, 1),
            c[2] | up(c[6], 5, 7),
            c[3] | up(c[6] >> 3, 5, 3) | up(c[7] >> 4, 7, 1),
            c[4] | up(c[7], 5, 7),
            0,
            0,
            0,
        ],
        6 => {
            let part = |j: usize| c[j] | up(c[6 + j / 3] >> (2 * (j % 3)), 6, 3);
            [part(0), part(1), part(2), part(3), part(4), part(5), 0, 0]
        }
        _ => c,
    }
}

/// Unpacks the chunks of a row from its part of each vector: the inverse of [`pack`].
pub(super) fn unpack(bits: u32, v: [u32; 8]) -> [u32; 8] {
    match bits {
        2 => std::array::from_fn(|i| down(v[i / 4], 2 * (i as u32 % 4), 3)),
        3 => {
            let last = last_of_three([v[0], v[1], v[2]]);
            std::array::from_fn(|i| down(if i % 4 < 3 { v[i % 4] } else { last }, i as u32 & 4, 7))
        }
        4 => std::array::from_fn(|i| down(v[i / 2], 4 * (i as u32 % 2), 15)),
        5 => {
            let low = |j: usize| down(v[j], 0, 31);
            let five = down(v[0], 5, 7) | down(v[1], 2, 24);
            let six = down(v[2], 5, 7) | down(v[3], 2, 24);
            let seven = down(v[4], 5, 7) | down(v[1], 4, 8) | down(v[3], 3, 16);
            [low(0), low(1), low(2), low(3), low(4), five, six, seven]
        }
        6 => {
            let low = |j: usize| down(v[j], 0, 63);
            let rest = |j: usize| down(v[j], 6, 3) | down(v[j + 1], 4, 12) | down(v[j + 2], 2, 48);
            [
                low(0),
                low(1),
                low(2),
                low(3),
                low(4),
                low(5),
                rest(0),
                rest(3),
            ]
        }
        _ => v,
    }
}

/// Rounds to the bits of the nearest f16, ties to even: `half::f16::from_f32` for every number,
/// without a branch and inlined, for a model has millions of scales.
#[inline(always)]
pub(super) fn to_f16(x: f32) -> u16 {
    let (sign, bits) = (x.to_bits() >> 16 & 0x8000, x.to_bits() & 0x7fff_ffff);
    // The exponents of f32 and f16 have biases of 127 and 15. Infinity follows the largest number.
    let rounded = bits + 0xfff + (bits >> 13 & 1);
    let normal = (rounded >> 13).wrapping_sub((127 - 15) << 10).min(0x7c00);
    // Floats from 0.5 on are 2^-24 apart, as the f16 below the smallest normal one are.
    let subnormal = (f32::from_bits(bits) + 0.5)
        .to_bits()
        .wrapping_sub(0.5_f32.to_bits());
    let is_normal = bits >= (127 - 14) << 23;
    (sign | if is_normal { normal } else { subnormal }) as u16
}

#[cfg(test)]
mod tests {
    use super::{pack, to_f16, unpack};
    use half::f16;

    #[test]
    fn rounds_as_half_does() {
        // Each f16, and the floats around it and around the middle between it and the next one.
        for bits in 0..0x7c00_u16 {
            let x = f16::from_bits(bits).to_f32();
            let next = match bits {
                0x7bff => 65536.0,
                _ => f16::from_bits(bits + 1).to_f32(),
            };
            for middle in [x, (x + next) / 2.0] {
                let around = [-1, 0, 1].map(|d| middle.to_bits().saturating_add_signed(d));
                for x in around
                    .map(f32::from_bits)
                    .into_iter()
                    .filter(|x| x.is_finite())
                {
                    assert_eq!(to_f16(x), f16::from_f32(x).to_bits(), "{x:e}");
                    assert_eq!(to_f16(-x), f16::from_f32(-x).to_bits(), "-{x:e}");
                }
            }
        }
        for x in [
            f32::MIN_POSITIVE,
            1e-30,
            65519.9,
            65520.0,
            1e30,
            f32::MAX,
            f32::INFINITY,
        ] {
            assert_eq!(to_f16(x), f16::from_f32(x).to_bits(), "{x:e}");
        }
    }

    #[test]
    fn unpack_is_the_inverse_of_pack() {
        let mut state = 1_u32;
        for bits in [2, 3, 4, 5, 6, 8] {
            let chunks = std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 8 & u32::from_ne_bytes([((1_u32 << bits) - 1) as u8; 4])
            });
            assert_eq!(unpack(bits, pack(bits, chunks)), chunks, "{bits} bits");
        }
    }
}
