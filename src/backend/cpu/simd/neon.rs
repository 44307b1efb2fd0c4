//! NEON is there on every 64-bit ARM; most since 2018 also have the dot product instruction.

use super::vector::{F16_MASK, Simd};
use std::arch::{aarch64::*, asm};

/// Stands for the instruction set of 64-bit ARM processors, with the dot product instruction if
/// `DOT`.
#[derive(Clone, Copy)]
pub struct Neon<const DOT: bool>;

/// Computes `sum[lane] += w[4 lane + i] * a[i]`; the sum of two neighbouring products must fit in
/// 16 bits.
#[inline(always)]
unsafe fn dot<const DOT: bool>(sum: int32x4_t, w: int8x16_t, a: int8x16_t) -> int32x4_t {
    unsafe {
        if DOT {
            let mut sum = sum;
            // SAFETY: it reads and writes registers alone; whoever chose `DOT` has the instruction.
            asm!(
                "sdot {0:v}.4s, {1:v}.16b, {2:v}.16b",
                inout(vreg) sum,
                in(vreg) w,
                in(vreg) a,
                options(pure, nomem, nostack, preserves_flags)
            );
            sum
        } else {
            let pairs = vpaddq_s16(
                vmull_s8(vget_low_s8(w), vget_low_s8(a)),
                vmull_high_s8(w, a),
            );
            vpadalq_s16(sum, pairs)
        }
    }
}

// SAFETY (all methods): by the trait's contract the CPU has the instructions, and pointers are
// valid.
impl<const DOT: bool> Simd for Neon<DOT> {
    type Bytes = uint8x16_t;
    type Four = int8x16_t;
    type Four8 = int8x16_t;
    type Sum7 = int32x4_t;
    type Part7 = int32x4_t;
    type Sum8 = int32x4_t;
    type F32 = float32x4_t;

    #[inline(always)]
    unsafe fn load(p: *const u8) -> uint8x16_t {
        unsafe { vld1q_u8(p) }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: uint8x16_t) {
        unsafe { vst1q_u8(p, v) }
    }
    #[inline(always)]
    unsafe fn mask(word: u32) -> uint8x16_t {
        unsafe { vreinterpretq_u8_u32(vdupq_n_u32(word)) }
    }
    #[inline(always)]
    unsafe fn bits<const SHIFT: i32>(v: uint8x16_t, mask: uint8x16_t) -> uint8x16_t {
        // A shift left by a negative count is one to the right; the compiler makes an immediate of
        // it.
        unsafe { vandq_u8(vshlq_u8(v, vdupq_n_s8(-SHIFT as i8)), mask) }
    }
    #[inline(always)]
    unsafe fn or(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        unsafe { vorrq_u8(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_xor(v: uint8x16_t, w: uint8x16_t) -> uint8x16_t {
        unsafe {
            let shifted = vshrq_n_u16::<1>(vreinterpretq_u16_u8(v));
            veorq_u8(vreinterpretq_u8_u16(shifted), w)
        }
    }
    #[inline(always)]
    unsafe fn look_up(table: uint8x16_t, v: uint8x16_t) -> uint8x16_t {
        unsafe { vqtbl1q_u8(table, v) }
    }
    #[inline(always)]
    unsafe fn unsign(v: uint8x16_t) -> uint8x16_t {
        unsafe { veorq_u8(v, vdupq_n_u8(128)) }
    }
    #[inline(always)]
    unsafe fn four(p: *const i8) -> int8x16_t {
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(p.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn start7<const SHIFT: u32>(start: *const i32) -> int32x4_t {
        unsafe { vdupq_n_s32(*start << SHIFT) }
    }
    #[inline(always)]
    unsafe fn zero7() -> int32x4_t {
        unsafe { vdupq_n_s32(0) }
    }
    #[inline(always)]
    unsafe fn begin7(sum: int32x4_t) -> int32x4_t {
        sum
    }
    #[inline(always)]
    unsafe fn dot7(part: int32x4_t, w: uint8x16_t, a: int8x16_t) -> int32x4_t {
        unsafe { dot::<DOT>(part, vreinterpretq_s8_u8(w), a) }
    }
    #[inline(always)]
    unsafe fn end7(_sum: int32x4_t, part: int32x4_t) -> int32x4_t {
        part
    }
    #[inline(always)]
    unsafe fn shift7<const SHIFT: u32>(sum: int32x4_t) -> int32x4_t {
        unsafe { vshlq_s32(sum, vdupq_n_s32(SHIFT as i32)) }
    }
    #[inline(always)]
    unsafe fn finish7(sum: int32x4_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(sum) }
    }
    #[inline(always)]
    unsafe fn four8(p: *const i8) -> int8x16_t {
        unsafe { Self::four(p) }
    }
    #[inline(always)]
    unsafe fn zero8() -> int32x4_t {
        unsafe { vdupq_n_s32(0) }
    }
    #[inline(always)]
    unsafe fn dot8(sum: int32x4_t, w: uint8x16_t, a: int8x16_t) -> int32x4_t {
        // A pair of products reaches 2 * 128 * 127 = 32,512.
        unsafe { dot::<DOT>(sum, vreinterpretq_s8_u8(w), a) }
    }
    #[inline(always)]
    unsafe fn finish8(sum: int32x4_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(sum) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load_f32(p: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(p) }
    }
    /// The factor is 2^112, for `load_f16_part` shifts bits as in wasm.
    const F16_REST: f32 = f32::from_bits((112 + 127) << 23);
    #[inline(always)]
    unsafe fn load_f16_part(p: *const u16, mask: uint8x16_t) -> float32x4_t {
        unsafe {
            let h = vreinterpretq_u8_s32(vshlq_n_s32::<13>(vmovl_s16(vld1_s16(p.cast()))));
            vreinterpretq_f32_u8(vandq_u8(h, mask))
        }
    }
    #[inline(always)]
    unsafe fn load_f16(p: *const u16) -> float32x4_t {
        unsafe { vmulq_n_f32(Self::load_f16_part(p, Self::mask(F16_MASK)), Self::F16_REST) }
    }
    #[inline(always)]
    unsafe fn load_bf16(p: *const u16) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(vld1_u16(p)))) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: float32x4_t) {
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn scale_by_power(x: float32x4_t, n: float32x4_t) -> float32x4_t {
        unsafe {
            vreinterpretq_f32_s32(vaddq_s32(
                vreinterpretq_s32_f32(x),
                vshlq_n_s32::<23>(vreinterpretq_s32_f32(n)),
            ))
        }
    }
    #[inline(always)]
    unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn store_i8(p: *mut i8, v: [float32x4_t; 4]) -> i32 {
        unsafe {
            let i = v.map(|v| vqmovn_s32(vcvtnq_s32_f32(v)));
            let q = vcombine_s8(
                vqmovn_s16(vcombine_s16(i[0], i[1])),
                vqmovn_s16(vcombine_s16(i[2], i[3])),
            );
            vst1q_s8(p, q);
            i32::from(vaddlvq_s8(q))
        }
    }
    #[inline(always)]
    unsafe fn horizontal_sum(v: float32x4_t) -> f32 {
        unsafe {
            let pairs = vadd_f32(vget_low_f32(v), vget_high_f32(v));
            vget_lane_f32::<0>(pairs) + vget_lane_f32::<1>(pairs)
        }
    }
}
