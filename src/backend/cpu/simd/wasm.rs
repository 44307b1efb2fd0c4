//! wasm SIMD is plain simd128, or relaxed SIMD where the build enables it. The integer results of
//! both are the same.

use super::vector::{F16_MASK, Simd};
use std::{arch::wasm32::*, hint::black_box};

/// Stands for the instruction set of wasm. `PAIRS` says whether the relaxed dot product adds up
/// pairs of products in 16 bits first ([`sums_pairs`]).
#[derive(Clone, Copy)]
pub struct Wasm<const PAIRS: bool>;

/// Returns whether the processor's relaxed dot product is several instructions, of which the first
/// (`pmaddubsw`) adds up pairs of products in 16 bits. It saturates there, which shows: the others
/// do not (`vpdpbusd`), or take both operands as signed (ARM).
#[cfg(target_feature = "relaxed-simd")]
pub(super) fn sums_pairs() -> bool {
    // The compiler is not to compute it itself.
    let (a, w) = (i8x16_splat(black_box(127)), u8x16_splat(black_box(255)));
    let sums = i32x4_relaxed_dot_i8x16_i7x16_add(a, w, i32x4_splat(0));
    i32x4_extract_lane::<0>(sums) == 2 * i32::from(i16::MAX)
}

/// Holds two vectors of sums, of which two lanes add up to a row where bytes were widened to i16:
/// `low` has rows (0, 0, 1, 1) and `high` rows (2, 2, 3, 3).
#[derive(Clone, Copy)]
pub struct Halves {
    low: v128,
    high: v128,
}

#[cfg(not(target_feature = "relaxed-simd"))]
#[inline(always)]
fn add_neighbours(s: Halves) -> v128 {
    i32x4_add(
        i32x4_shuffle::<0, 2, 4, 6>(s.low, s.high),
        i32x4_shuffle::<1, 3, 5, 7>(s.low, s.high),
    )
}

// SAFETY (all methods): by the trait's contract, pointers are valid.
impl<const PAIRS: bool> Simd for Wasm<PAIRS> {
    type Bytes = v128;
    /// Without relaxed SIMD, the four activations are widened to i16 and stand there twice.
    type Four = v128;
    /// With relaxed SIMD, they are max(a, 0) and max(-a, 0), for signed weights cannot be the 7-bit
    /// operand, and these can.
    #[cfg(target_feature = "relaxed-simd")]
    type Four8 = (v128, v128);
    #[cfg(not(target_feature = "relaxed-simd"))]
    type Four8 = v128;
    #[cfg(target_feature = "relaxed-simd")]
    type Sum7 = v128;
    #[cfg(not(target_feature = "relaxed-simd"))]
    type Sum7 = Halves;
    type Part7 = Self::Sum7;
    /// With relaxed SIMD, they are the sums over the positive and over the negative activations.
    type Sum8 = Halves;
    type F32 = v128;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> v128 {
        unsafe { v128_load(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: v128) {
        unsafe { v128_store(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn mask(word: u32) -> v128 {
        u32x4_splat(black_box(word))
    }
    #[inline(always)]
    unsafe fn bits<const SHIFT: i32>(v: v128, mask: v128) -> v128 {
        v128_and(
            if SHIFT == 0 {
                v
            } else {
                u16x8_shr(v, SHIFT as u32)
            },
            mask,
        )
    }
    #[inline(always)]
    unsafe fn or(a: v128, b: v128) -> v128 {
        v128_or(a, b)
    }
    #[inline(always)]
    unsafe fn shift_xor(v: v128, w: v128) -> v128 {
        v128_xor(u16x8_shr(v, 1), w)
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn look_up(table: v128, v: v128) -> v128 {
        // Below 16, the relaxed one gives the same and is one instruction.
        i8x16_relaxed_swizzle(table, v)
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn look_up(table: v128, v: v128) -> v128 {
        u8x16_swizzle(table, v)
    }
    #[inline(always)]
    unsafe fn unsign(v: v128) -> v128 {
        v128_xor(v, u8x16_splat(128))
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn four(p: *const i8) -> v128 {
        unsafe { v128_load32_splat(p.cast()) }
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn start7<const SHIFT: u32>(start: *const i32) -> v128 {
        i32x4_shl(unsafe { v128_load32_splat(start.cast()) }, SHIFT)
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn zero7() -> v128 {
        i32x4_splat(0)
    }
    const SUMS_PAIRS: bool = PAIRS;
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn begin7(sum: v128) -> v128 {
        if PAIRS { i32x4_splat(0) } else { sum }
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn dot7(part: v128, w: v128, a: v128) -> v128 {
        // The second operand is the one that must fit in 7 bits.
        if PAIRS {
            i16x8_add(part, i16x8_relaxed_dot_i8x16_i7x16(a, w))
        } else {
            i32x4_relaxed_dot_i8x16_i7x16_add(a, w, part)
        }
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn end7(sum: v128, part: v128) -> v128 {
        if PAIRS {
            i32x4_add(sum, i32x4_extadd_pairwise_i16x8(part))
        } else {
            part
        }
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn dot7_takes_bytes() -> bool {
        // The largest products of both signs; the compiler is not to compute them itself.
        [127, -127].into_iter().all(|a| {
            let (a, w) = (i8x16_splat(black_box(a)), u8x16_splat(black_box(255)));
            let sums = i32x4_relaxed_dot_i8x16_i7x16_add(a, w, i32x4_splat(0));
            let exact = 4 * 255 * i32::from(i8x16_extract_lane::<0>(a));
            i32x4_all_true(i32x4_eq(sums, i32x4_splat(exact)))
        })
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn shift7<const SHIFT: u32>(sum: v128) -> v128 {
        i32x4_shl(sum, SHIFT)
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn finish7(sum: v128) -> v128 {
        f32x4_convert_i32x4(sum)
    }

    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn four(p: *const i8) -> v128 {
        unsafe { i16x8_extend_low_i8x16(v128_load32_splat(p.cast())) }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn start7<const SHIFT: u32>(start: *const i32) -> Halves {
        // Two lanes add up to a row, so one of them starts with the value and the other with 0.
        let start = u64x2_splat(u64::from((unsafe { *start } << SHIFT) as u32));
        Halves {
            low: start,
            high: start,
        }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn zero7() -> Halves {
        Halves {
            low: i32x4_splat(0),
            high: i32x4_splat(0),
        }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn begin7(sum: Halves) -> Halves {
        sum
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn dot7(sum: Halves, w: v128, a: v128) -> Halves {
        Halves {
            low: i32x4_add(sum.low, i32x4_dot_i16x8(i16x8_extend_low_u8x16(w), a)),
            high: i32x4_add(sum.high, i32x4_dot_i16x8(i16x8_extend_high_u8x16(w), a)),
        }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn dot7_takes_bytes() -> bool {
        true
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn end7(_sum: Halves, part: Halves) -> Halves {
        part
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn shift7<const SHIFT: u32>(sum: Halves) -> Halves {
        Halves {
            low: i32x4_shl(sum.low, SHIFT),
            high: i32x4_shl(sum.high, SHIFT),
        }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn finish7(sum: Halves) -> v128 {
        f32x4_convert_i32x4(add_neighbours(sum))
    }

    #[inline(always)]
    unsafe fn zero8() -> Halves {
        Halves {
            low: i32x4_splat(0),
            high: i32x4_splat(0),
        }
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn four8(p: *const i8) -> (v128, v128) {
        let a = unsafe { v128_load32_splat(p.cast()) };
        let positive = i8x16_max(a, i8x16_splat(0));
        (positive, i8x16_sub(positive, a))
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn dot8(sum: Halves, w: v128, (positive, negative): (v128, v128)) -> Halves {
        if PAIRS {
            // One of the two is 0, and a pair of products reaches 2 * 128 * 127, inside i16.
            let pairs = i16x8_sub(
                i16x8_relaxed_dot_i8x16_i7x16(w, positive),
                i16x8_relaxed_dot_i8x16_i7x16(w, negative),
            );
            return Halves {
                low: i32x4_add(sum.low, i32x4_extadd_pairwise_i16x8(pairs)),
                high: sum.high,
            };
        }
        Halves {
            low: i32x4_relaxed_dot_i8x16_i7x16_add(w, positive, sum.low),
            high: i32x4_relaxed_dot_i8x16_i7x16_add(w, negative, sum.high),
        }
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn finish8(sum: Halves) -> v128 {
        f32x4_convert_i32x4(i32x4_sub(sum.low, sum.high))
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn four8(p: *const i8) -> v128 {
        unsafe { Self::four(p) }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn dot8(sum: Halves, w: v128, a: v128) -> Halves {
        Halves {
            low: i32x4_add(sum.low, i32x4_dot_i16x8(i16x8_extend_low_i8x16(w), a)),
            high: i32x4_add(sum.high, i32x4_dot_i16x8(i16x8_extend_high_i8x16(w), a)),
        }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn finish8(sum: Halves) -> v128 {
        f32x4_convert_i32x4(add_neighbours(sum))
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> v128 {
        f32x4_splat(x)
    }
    #[inline(always)]
    unsafe fn load_f32(p: *const f32) -> v128 {
        unsafe { v128_load(p.cast()) }
    }
    /// The exponents of f32 and f16 have biases of 127 and 15, so a shifted f16 is 2^112 too small.
    const F16_REST: f32 = f32::from_bits((112 + 127) << 23);
    #[inline(always)]
    unsafe fn load_f16_part(p: *const u16, mask: v128) -> v128 {
        // Sign, exponent and mantissa, moved to f32's places, make a number 2^112 too small; that
        // holds for subnormals as well.
        v128_and(
            i32x4_shl(unsafe { i32x4_load_extend_i16x4(p.cast()) }, 13),
            mask,
        )
    }
    #[inline(always)]
    unsafe fn load_f16(p: *const u16) -> v128 {
        f32x4_mul(
            unsafe { Self::load_f16_part(p, u32x4_splat(F16_MASK)) },
            f32x4_splat(Self::F16_REST),
        )
    }
    #[inline(always)]
    unsafe fn load_bf16(p: *const u16) -> v128 {
        unsafe { u32x4_shl(u32x4_load_extend_u16x4(p), 16) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: v128) {
        unsafe { v128_store(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn add(a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    unsafe fn mul(a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn mul_add(a: v128, b: v128, c: v128) -> v128 {
        f32x4_relaxed_madd(a, b, c)
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn mul_add(a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }
    #[inline(always)]
    unsafe fn max(a: v128, b: v128) -> v128 {
        f32x4_pmax(a, b)
    }
    #[inline(always)]
    unsafe fn min(a: v128, b: v128) -> v128 {
        f32x4_pmin(a, b)
    }
    #[inline(always)]
    unsafe fn scale_by_power(x: v128, n: v128) -> v128 {
        i32x4_add(x, i32x4_shl(n, 23))
    }
    #[inline(always)]
    unsafe fn div(a: v128, b: v128) -> v128 {
        f32x4_div(a, b)
    }
    #[inline(always)]
    unsafe fn store_i8(p: *mut i8, v: [v128; 4]) -> i32 {
        let i = v.map(|v| i32x4_trunc_sat_f32x4(f32x4_nearest(v)));
        let q = i8x16_narrow_i16x8(
            i16x8_narrow_i32x4(i[0], i[1]),
            i16x8_narrow_i32x4(i[2], i[3]),
        );
        unsafe { v128_store(p.cast(), q) };
        let sums = i32x4_extadd_pairwise_i16x8(i16x8_extadd_pairwise_i8x16(q));
        let sums = i32x4_add(sums, i32x4_shuffle::<2, 3, 0, 1>(sums, sums));
        i32x4_extract_lane::<0>(sums) + i32x4_extract_lane::<1>(sums)
    }
    #[inline(always)]
    unsafe fn horizontal_sum(v: v128) -> f32 {
        let pairs = f32x4_add(v, i32x4_shuffle::<2, 3, 0, 1>(v, v));
        f32x4_extract_lane::<0>(pairs) + f32x4_extract_lane::<1>(pairs)
    }
}
