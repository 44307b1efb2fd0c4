//! AVX2 with FMA and F16C is used in 128-bit registers: the same four lanes as wasm, so that one
//! kernel serves both.

use super::vector::Simd;
use std::arch::x86_64::*;

/// Stands for the instruction set of x86-64 processors with AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub struct Avx2;

// SAFETY (all methods): by the trait's contract the CPU has the instructions, and pointers are
// valid.
impl Simd for Avx2 {
    type Bytes = __m128i;
    type Four = __m128i;
    type Four8 = __m128i;
    type Sum7 = __m128i;
    type Part7 = __m128i;
    type Sum8 = __m128i;
    type F32 = __m128;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> __m128i {
        unsafe { _mm_loadu_si128(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: __m128i) {
        unsafe { _mm_storeu_si128(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn mask(word: u32) -> __m128i {
        unsafe { _mm_set1_epi32(word as i32) }
    }
    #[inline(always)]
    unsafe fn bits<const SHIFT: i32>(v: __m128i, mask: __m128i) -> __m128i {
        unsafe { _mm_and_si128(_mm_srli_epi16::<SHIFT>(v), mask) }
    }
    #[inline(always)]
    unsafe fn or(a: __m128i, b: __m128i) -> __m128i {
        unsafe { _mm_or_si128(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_xor(v: __m128i, w: __m128i) -> __m128i {
        unsafe { _mm_xor_si128(_mm_srli_epi16::<1>(v), w) }
    }
    #[inline(always)]
    unsafe fn look_up(table: __m128i, v: __m128i) -> __m128i {
        unsafe { _mm_shuffle_epi8(table, v) }
    }
    #[inline(always)]
    unsafe fn unsign(v: __m128i) -> __m128i {
        unsafe { _mm_xor_si128(v, _mm_set1_epi8(-128)) }
    }
    #[inline(always)]
    unsafe fn four(p: *const i8) -> __m128i {
        unsafe { _mm_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn start7<const SHIFT: u32>(start: *const i32) -> __m128i {
        unsafe { _mm_set1_epi32(*start << SHIFT) }
    }
    #[inline(always)]
    unsafe fn zero7() -> __m128i {
        unsafe { _mm_setzero_si128() }
    }
    const SUMS_PAIRS: bool = true;
    #[inline(always)]
    unsafe fn begin7(_sum: __m128i) -> __m128i {
        unsafe { _mm_setzero_si128() }
    }
    #[inline(always)]
    unsafe fn dot7(part: __m128i, w: __m128i, a: __m128i) -> __m128i {
        unsafe { _mm_add_epi16(part, _mm_maddubs_epi16(w, a)) }
    }
    #[inline(always)]
    unsafe fn end7(sum: __m128i, part: __m128i) -> __m128i {
        unsafe { _mm_add_epi32(sum, _mm_madd_epi16(part, _mm_set1_epi16(1))) }
    }
    #[inline(always)]
    unsafe fn shift7<const SHIFT: u32>(sum: __m128i) -> __m128i {
        unsafe { _mm_sll_epi32(sum, _mm_cvtsi32_si128(SHIFT as i32)) }
    }
    #[inline(always)]
    unsafe fn finish7(sum: __m128i) -> __m128 {
        unsafe { _mm_cvtepi32_ps(sum) }
    }
    #[inline(always)]
    unsafe fn four8(p: *const i8) -> __m128i {
        unsafe { Self::four(p) }
    }
    #[inline(always)]
    unsafe fn zero8() -> __m128i {
        unsafe { _mm_setzero_si128() }
    }
    #[inline(always)]
    unsafe fn dot8(sum: __m128i, w: __m128i, a: __m128i) -> __m128i {
        unsafe {
            // The unsigned |w| <= 128 is multiplied by `a` with w's sign: a pair of products
            // reaches 2 * 128 * 127 = 32,512, inside i16.
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
    const F16_REST: f32 = 1.0;
    #[inline(always)]
    unsafe fn load_f16_part(p: *const u16, _mask: __m128i) -> __m128 {
        unsafe { Self::load_f16(p) }
    }
    #[inline(always)]
    unsafe fn load_f16(p: *const u16) -> __m128 {
        unsafe { _mm_cvtph_ps(_mm_loadl_epi64(p.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(p: *const u16) -> __m128 {
        unsafe {
            _mm_castsi128_ps(_mm_slli_epi32::<16>(_mm_cvtepu16_epi32(_mm_loadl_epi64(
                p.cast(),
            ))))
        }
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
            _mm_castsi128_ps(_mm_add_epi32(
                _mm_castps_si128(x),
                _mm_slli_epi32::<23>(_mm_castps_si128(n)),
            ))
        }
    }
    #[inline(always)]
    unsafe fn div(a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn store_i8(p: *mut i8, v: [__m128; 4]) -> i32 {
        unsafe {
            let i = v.map(|v| _mm_cvtps_epi32(v));
            let q = _mm_packs_epi16(_mm_packs_epi32(i[0], i[1]), _mm_packs_epi32(i[2], i[3]));
            _mm_storeu_si128(p.cast(), q);
            let sums = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), q), _mm_set1_epi16(1));
            let sums = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b01_00_11_10>(sums));
            _mm_cvtsi128_si32(_mm_add_epi32(
                sums,
                _mm_shuffle_epi32::<0b10_11_00_01>(sums),
            ))
        }
    }
    #[inline(always)]
    unsafe fn horizontal_sum(v: __m128) -> f32 {
        unsafe {
            let pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
        }
    }
}
