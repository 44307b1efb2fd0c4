//! wasm SIMD: plain simd128, and relaxed SIMD where the build enables it. The integer results of both are the same.

use super::Simd;
use std::arch::wasm32::*;

#[derive(Clone, Copy)]
pub struct Wasm;

/// Two vectors of sums. Widened to i16, the lanes of `low` and `high` are rows (0, 0, 1, 1) and (2, 2, 3, 3).
#[derive(Clone, Copy)]
pub struct Halves {
    low: v128,
    high: v128,
}

#[cfg(not(target_feature = "relaxed-simd"))]
#[inline(always)]
fn add_neighbours(s: Halves) -> v128 {
    i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(s.low, s.high), i32x4_shuffle::<1, 3, 5, 7>(s.low, s.high))
}

// SAFETY (all): the trait's contract: the pointers are readable.
impl Simd for Wasm {
    type Bytes = v128;
    #[cfg(target_feature = "relaxed-simd")]
    type Sum7 = v128;
    #[cfg(not(target_feature = "relaxed-simd"))]
    type Sum7 = Halves;
    /// With relaxed SIMD: the sums over the positive and over the negative activations.
    type Sum8 = Halves;
    type F32 = v128;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> v128 {
        unsafe { v128_load(p.cast()) }
    }
    #[inline(always)]
    unsafe fn low_nibbles(v: v128) -> v128 {
        v128_and(v, u8x16_splat(15))
    }
    #[inline(always)]
    unsafe fn high_nibbles(v: v128) -> v128 {
        u8x16_shr(v, 4)
    }
    #[inline(always)]
    unsafe fn add_high_bits<const SHIFT: u32, const MASK: u8>(nibbles: v128, planes: v128) -> v128 {
        let moved = if SHIFT < 4 { u16x8_shl(planes, 4 - SHIFT) } else { u16x8_shr(planes, SHIFT - 4) };
        v128_or(nibbles, v128_and(moved, u8x16_splat(MASK << 4)))
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn zero7() -> v128 {
        i32x4_splat(0)
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn dot7(sum: v128, w: v128, a: *const i8) -> v128 {
        // The second operand is the one that must fit in 7 bits.
        unsafe { i32x4_relaxed_dot_i8x16_i7x16_add(v128_load32_splat(a.cast()), w, sum) }
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn finish7(sum: v128, bias: i32) -> v128 {
        f32x4_convert_i32x4(i32x4_sub(sum, i32x4_splat(bias)))
    }

    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn zero7() -> Halves {
        Halves { low: i32x4_splat(0), high: i32x4_splat(0) }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn dot7(sum: Halves, w: v128, a: *const i8) -> Halves {
        let a = unsafe { i16x8_extend_low_i8x16(v128_load32_splat(a.cast())) };
        Halves {
            low: i32x4_add(sum.low, i32x4_dot_i16x8(i16x8_extend_low_u8x16(w), a)),
            high: i32x4_add(sum.high, i32x4_dot_i16x8(i16x8_extend_high_u8x16(w), a)),
        }
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    unsafe fn finish7(sum: Halves, bias: i32) -> v128 {
        f32x4_convert_i32x4(i32x4_sub(add_neighbours(sum), i32x4_splat(bias)))
    }

    #[inline(always)]
    unsafe fn zero8() -> Halves {
        Halves { low: i32x4_splat(0), high: i32x4_splat(0) }
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    unsafe fn dot8(sum: Halves, w: v128, a: *const i8) -> Halves {
        // Signed weights cannot be the 7-bit operand; max(a, 0) and max(-a, 0) can.
        let a = unsafe { v128_load32_splat(a.cast()) };
        let positive = i8x16_max(a, i8x16_splat(0));
        let negative = i8x16_sub(positive, a);
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
    unsafe fn dot8(sum: Halves, w: v128, a: *const i8) -> Halves {
        let a = unsafe { i16x8_extend_low_i8x16(v128_load32_splat(a.cast())) };
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
    #[inline(always)]
    unsafe fn load_f16(p: *const u16) -> v128 {
        // The f16's exponent and mantissa, moved to f32's places, are 2^112 too small; subnormals come out right as well.
        let h = unsafe { u32x4_load_extend_u16x4(p) };
        let sign = u32x4_shl(v128_and(h, u32x4_splat(0x8000)), 16);
        let rest = u32x4_shl(v128_and(h, u32x4_splat(0x7fff)), 13);
        v128_or(f32x4_mul(rest, f32x4_splat(f32::from_bits((112 + 127) << 23))), sign)
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
        let exponent = i32x4_add(i32x4_trunc_sat_f32x4(n), i32x4_splat(127));
        f32x4_mul(x, i32x4_shl(exponent, 23))
    }
    #[inline(always)]
    unsafe fn round(x: v128) -> v128 {
        f32x4_nearest(x)
    }
    #[inline(always)]
    unsafe fn div(a: v128, b: v128) -> v128 {
        f32x4_div(a, b)
    }
    #[inline(always)]
    unsafe fn horizontal_sum(v: v128) -> f32 {
        let pairs = f32x4_add(v, i32x4_shuffle::<2, 3, 0, 1>(v, v));
        f32x4_extract_lane::<0>(pairs) + f32x4_extract_lane::<1>(pairs)
    }
}
