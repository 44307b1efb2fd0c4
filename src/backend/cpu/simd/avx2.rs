//! AVX2 with FMA and F16C, in 128-bit registers: the same four lanes as wasm, so that one kernel serves both.

use super::Simd;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub struct Avx2;

// SAFETY (all): the trait's contract: the instructions are there, the pointers are readable.
impl Simd for Avx2 {
    type Bytes = __m128i;
    type Sum7 = __m128i;
    type Sum8 = __m128i;
    type F32 = __m128;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> __m128i {
        unsafe { _mm_loadu_si128(p.cast()) }
    }
    #[inline(always)]
    unsafe fn low_nibbles(v: __m128i) -> __m128i {
        unsafe { _mm_and_si128(v, _mm_set1_epi8(15)) }
    }
    #[inline(always)]
    unsafe fn high_nibbles(v: __m128i) -> __m128i {
        unsafe { _mm_and_si128(_mm_srli_epi16::<4>(v), _mm_set1_epi8(15)) }
    }
    #[inline(always)]
    unsafe fn add_high_bits<const SHIFT: u32, const MASK: u8>(nibbles: __m128i, planes: __m128i) -> __m128i {
        unsafe {
            let count = _mm_cvtsi32_si128((SHIFT as i32 - 4).abs());
            let moved = if SHIFT < 4 { _mm_sll_epi16(planes, count) } else { _mm_srl_epi16(planes, count) };
            _mm_or_si128(nibbles, _mm_and_si128(moved, _mm_set1_epi8((MASK << 4) as i8)))
        }
    }
    #[inline(always)]
    unsafe fn zero7() -> __m128i {
        unsafe { _mm_setzero_si128() }
    }
    #[inline(always)]
    unsafe fn dot7(sum: __m128i, w: __m128i, a: *const i8) -> __m128i {
        unsafe {
            let a = _mm_set1_epi32(a.cast::<i32>().read_unaligned());
            _mm_add_epi32(sum, _mm_madd_epi16(_mm_maddubs_epi16(w, a), _mm_set1_epi16(1)))
        }
    }
    #[inline(always)]
    unsafe fn finish7(sum: __m128i, bias: i32) -> __m128 {
        unsafe { _mm_cvtepi32_ps(_mm_sub_epi32(sum, _mm_set1_epi32(bias))) }
    }
    #[inline(always)]
    unsafe fn zero8() -> __m128i {
        unsafe { _mm_setzero_si128() }
    }
    #[inline(always)]
    unsafe fn dot8(sum: __m128i, w: __m128i, a: *const i8) -> __m128i {
        unsafe {
            // |w| <= 128 unsigned times a with w's sign: two products reach 2 * 128 * 127 = 32,512, inside i16.
            let a = _mm_set1_epi32(a.cast::<i32>().read_unaligned());
            let products = _mm_maddubs_epi16(_mm_abs_epi8(w), _mm_sign_epi8(a, w));
            _mm_add_epi32(sum, _mm_madd_epi16(products, _mm_set1_epi16(1)))
        }
    }
    #[inline(always)]
    unsafe fn finish8(sum: __m128i) -> __m128 {
        unsafe { _mm_cvtepi32_ps(sum) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m128 {
        unsafe { _mm_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load_f32(p: *const f32) -> __m128 {
        unsafe { _mm_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn load_f16(p: *const u16) -> __m128 {
        unsafe { _mm_cvtph_ps(_mm_loadl_epi64(p.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(p: *const u16) -> __m128 {
        unsafe { _mm_castsi128_ps(_mm_slli_epi32::<16>(_mm_cvtepu16_epi32(_mm_loadl_epi64(p.cast())))) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m128) {
        unsafe { _mm_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m128, b: __m128, c: __m128) -> __m128 {
        unsafe { _mm_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn scale_by_power(x: __m128, n: __m128) -> __m128 {
        unsafe {
            let exponent = _mm_add_epi32(_mm_cvtps_epi32(n), _mm_set1_epi32(127));
            _mm_mul_ps(x, _mm_castsi128_ps(_mm_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn round(x: __m128) -> __m128 {
        unsafe { _mm_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }
    #[inline(always)]
    unsafe fn div(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn horizontal_sum(v: __m128) -> f32 {
        unsafe {
            let pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
        }
    }
}
