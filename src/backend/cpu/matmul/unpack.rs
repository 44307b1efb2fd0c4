//! The integers (quants) of a repacked block are unpacked from their bits in registers.

use crate::backend::cpu::{
    repack::VECTOR_BYTES,
    simd::{F16_MASK, Simd},
};

/// Holds the masks by which a kernel cuts quants and scales out of a block, made once for all
/// blocks.
pub(super) struct Masks<S: Simd> {
    quants: [S::Bytes; 5],
    codebook: S::Bytes,
    pub(super) f16: S::Bytes,
}

impl<S: Simd> Masks<S> {
    /// Makes the masks for quants of `BITS` bits, which may be numbers in a codebook.
    ///
    /// # Safety
    /// The caller keeps the contract of [`Simd`].
    #[inline(always)]
    pub(super) unsafe fn new<const BITS: u32>(codebook: &[i8; 16]) -> Self {
        let [high, low] = [0xff >> low_bits::<S>(), (1 << low_bits::<S>()) - 1];
        let bytes = match BITS {
            2 => [3, 0, 0, 0, 0],
            3 => [7, 7 << 4, 0, 0, 0],
            4 => [15, high, low, 0, 0],
            5 => [31, 7, 24, 8, 16],
            6 => [63, 3, 12, 48, 0],
            _ => [0, high, low, 0, 0],
        };
        // SAFETY: the caller keeps the contract of this function.
        unsafe {
            Self {
                quants: bytes.map(|byte| S::mask(u32::from_ne_bytes([byte; 4]))),
                codebook: S::load(codebook.as_ptr().cast()),
                f16: S::mask(F16_MASK),
            }
        }
    }

    /// Returns quants as their values, by the codebook if they are numbers in one.
    ///
    /// # Safety
    /// The caller keeps the contract of [`Simd`].
    #[inline(always)]
    pub(super) unsafe fn values<const CODEBOOK: bool>(&self, w: S::Bytes) -> S::Bytes {
        if CODEBOOK {
            // SAFETY: the caller keeps the contract of this function; numbers are below 16.
            unsafe { S::look_up(self.codebook, w) }
        } else {
            w
        }
    }

    /// Adds 128 to signed bytes and cuts them into their high bits and their [`low_bits`].
    ///
    /// # Safety
    /// The masks are those of 4 or 8 bits, and the caller keeps the contract of [`Simd`].
    #[inline(always)]
    pub(super) unsafe fn cut(&self, w: S::Bytes) -> [S::Bytes; 2] {
        // SAFETY: the caller keeps the contract of this function.
        unsafe {
            let w = S::unsign(w);
            let high = match low_bits::<S>() {
                4 => S::bits::<4>(w, self.quants[1]),
                _ => S::bits::<1>(w, self.quants[1]),
            };
            [high, S::bits::<0>(w, self.quants[2])]
        }
    }
}

/// Returns how many low bits of a signed byte [`Masks::cut`] cuts off: as few as leave the others
/// room in 7 bits, or half of them where sums of pairs are to have room for a whole block.
pub(super) const fn low_bits<S: Simd>() -> u32 {
    if S::SUMS_PAIRS { 4 } else { 1 }
}

/// Returns by how many bits [`each_chunk`] may leave the quants of a half of a block shifted left:
/// those of 3 bits still fit in the 7 bits of a dot product's operand, and one token's few sums are
/// divided by less work than its vectors are shifted. Sums of pairs have no room for that.
pub(super) const fn left_shift<S: Simd>(bits: u32, half: usize) -> u32 {
    if bits == 3 && !S::SUMS_PAIRS {
        4 * half as u32
    } else {
        0
    }
}

/// Calls `f(i, w)` with the quants of each chunk `i` of a block's eight rows, four rows a vector,
/// shifted left by [`left_shift`] where `SHIFTED`.
///
/// The order of the chunks is one in which every loaded vector is soon done with, for registers are
/// few.
///
/// # Safety
/// `vectors` points at a block's vectors, and the caller keeps the contract of [`Simd`].
#[inline(always)]
pub(super) unsafe fn each_chunk<S: Simd, const BITS: u32, const SHIFTED: bool>(
    vectors: *const u8,
    masks: &Masks<S>,
    mut f: impl FnMut(usize, [S::Bytes; 2]),
) {
    // SAFETY: the caller keeps the contract of this function.
    unsafe {
        let m = masks.quants;
        let v = |j: usize| [0, 1].map(|g| S::load(vectors.add(VECTOR_BYTES * j + 16 * g)));
        match BITS {
            2 => {
                for j in 0..2 {
                    let v = v(j);
                    f(4 * j, v.map(|v| S::bits::<0>(v, m[0])));
                    f(4 * j + 1, v.map(|v| S::bits::<2>(v, m[0])));
                    f(4 * j + 2, v.map(|v| S::bits::<4>(v, m[0])));
                    f(4 * j + 3, v.map(|v| S::bits::<6>(v, m[0])));
                }
            }
            3 => {
                // The last chunk of each half is put together by what all three vectors hold.
                let mut last = v(0);
                for j in 0..3 {
                    let v = v(j);
                    f(j, v.map(|v| S::bits::<0>(v, m[0])));
                    f(
                        4 + j,
                        v.map(|v| {
                            if SHIFTED && !S::SUMS_PAIRS {
                                S::bits::<0>(v, m[1])
                            } else {
                                S::bits::<4>(v, m[0])
                            }
                        }),
                    );
                    if j > 0 {
                        last = [0, 1].map(|g| S::shift_xor(last[g], v[g]));
                    }
                }
                f(3, last.map(|v| S::bits::<1>(v, m[0])));
                f(
                    7,
                    last.map(|v| {
                        if SHIFTED && !S::SUMS_PAIRS {
                            S::bits::<1>(v, m[1])
                        } else {
                            S::bits::<5>(v, m[0])
                        }
                    }),
                );
            }
            4 => {
                for j in 0..4 {
                    let v = v(j);
                    f(2 * j, v.map(|v| S::bits::<0>(v, m[0])));
                    f(2 * j + 1, v.map(|v| S::bits::<4>(v, m[0])));
                }
            }
            5 => {
                let low = |v: [S::Bytes; 2]| v.map(|v| S::bits::<0>(v, m[0]));
                let both = |a: [S::Bytes; 2], b: [S::Bytes; 2]| {
                    [0, 1].map(|g| S::or(S::bits::<5>(a[g], m[1]), S::bits::<2>(b[g], m[2])))
                };
                let (v0, v1) = (v(0), v(1));
                f(0, low(v0));
                f(1, low(v1));
                f(5, both(v0, v1));
                let (v2, v3) = (v(2), v(3));
                f(2, low(v2));
                f(3, low(v3));
                f(6, both(v2, v3));
                let v4 = v(4);
                f(4, low(v4));
                f(
                    7,
                    [0, 1].map(|g| {
                        S::or(
                            S::or(S::bits::<5>(v4[g], m[1]), S::bits::<4>(v1[g], m[3])),
                            S::bits::<3>(v3[g], m[4]),
                        )
                    }),
                );
            }
            6 => {
                for j in [0, 3] {
                    let v = [v(j), v(j + 1), v(j + 2)];
                    for i in 0..3 {
                        f(j + i, v[i].map(|v| S::bits::<0>(v, m[0])));
                    }
                    f(
                        6 + j / 3,
                        [0, 1].map(|g| {
                            S::or(
                                S::or(S::bits::<6>(v[0][g], m[1]), S::bits::<4>(v[1][g], m[2])),
                                S::bits::<2>(v[2][g], m[3]),
                            )
                        }),
                    );
                }
            }
            _ => {
                for j in 0..8 {
                    f(j, v(j));
                }
            }
        }
    }
}
