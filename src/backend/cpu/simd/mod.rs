//! The few vector operations that the kernels need, once per instruction set. Each kernel is written once, over [`Simd`].
//!
//! Not a general SIMD layer: four 32-bit lanes, and just the operations below.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use scalar::Scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm::Wasm;

use std::hint::black_box;

/// # Safety
/// The caller makes sure that the CPU has the instructions, that 16 bytes can be read at every `load` (4 at every `four`,
/// 8 at `load_f16`), and that the method ends up inlined into a function that enables them.
#[expect(
    clippy::missing_safety_doc,
    reason = "one contract holds for all methods: the trait's"
)]
pub trait Simd: Copy {
    /// 16 bytes.
    type Bytes: Copy;
    /// Four activations, in every lane.
    type Four: Copy;
    /// The same for `dot8`.
    type Four8: Copy;
    /// Four integer sums of 7-bit by 8-bit products, one a lane.
    type Sum7: Copy;
    /// Four integer sums of 8-bit by 8-bit products, one a lane.
    type Sum8: Copy;
    /// Four f32.
    type F32: Copy;

    unsafe fn load(p: *const u8) -> Self::Bytes;
    unsafe fn store_bytes(p: *mut u8, v: Self::Bytes);
    /// `word` four times, made once for a whole loop. V8 would make a constant anew wherever it is used, in three instructions, but keeps
    /// a vector whose value it cannot see.
    unsafe fn mask(word: u32) -> Self::Bytes;
    /// `(v >> SHIFT) & mask`, a byte at a time; `mask` has no bits that the byte above would be shifted into.
    unsafe fn bits<const SHIFT: i32>(v: Self::Bytes, mask: Self::Bytes) -> Self::Bytes;
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// `v ^ 128`, a byte at a time: signed bytes -128..=127 as 0..=255.
    unsafe fn unsign(v: Self::Bytes) -> Self::Bytes;

    unsafe fn four(p: *const i8) -> Self::Four;
    /// Every sum `*start << SHIFT`.
    unsafe fn start7<const SHIFT: u32>(start: *const i32) -> Self::Sum7;
    unsafe fn zero7() -> Self::Sum7;
    /// `sum[lane] += w[4 lane + i] * a[i]` for i in 0..4: `w` 0..=127, `a` -127..=127.
    unsafe fn dot7(sum: Self::Sum7, w: Self::Bytes, a: Self::Four) -> Self::Sum7;
    unsafe fn twice7(sum: Self::Sum7) -> Self::Sum7;
    unsafe fn finish7(sum: Self::Sum7) -> Self::F32;

    unsafe fn four8(p: *const i8) -> Self::Four8;
    unsafe fn zero8() -> Self::Sum8;
    /// As `dot7`, with `w` signed bytes.
    unsafe fn dot8(sum: Self::Sum8, w: Self::Bytes, a: Self::Four8) -> Self::Sum8;
    unsafe fn finish8(sum: Self::Sum8) -> Self::F32;

    unsafe fn splat(x: f32) -> Self::F32;
    unsafe fn load_f32(p: *const f32) -> Self::F32;
    /// What numbers loaded by `load_f16_part` are to be multiplied by.
    const F16_REST: f32;
    /// Four f16 as f32, but for a factor that the caller multiplies something else by; infinities and NaN are not expected.
    /// `mask` is the mask of [`F16_MASK`].
    unsafe fn load_f16_part(p: *const u16, mask: Self::Bytes) -> Self::F32;
    /// Four f16 as f32; infinities and NaN are not expected.
    unsafe fn load_f16(p: *const u16) -> Self::F32;
    /// Four bf16 as f32.
    unsafe fn load_bf16(p: *const u16) -> Self::F32;
    unsafe fn store(p: *mut f32, v: Self::F32);
    unsafe fn add(a: Self::F32, b: Self::F32) -> Self::F32;
    unsafe fn mul(a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, fused or not.
    unsafe fn mul_add(a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    unsafe fn max(a: Self::F32, b: Self::F32) -> Self::F32;
    unsafe fn min(a: Self::F32, b: Self::F32) -> Self::F32;
    /// `x * 2^n` for an integral `n`, given as `n + ROUNDER`; `x` and the result are neither 0 nor subnormal.
    unsafe fn scale_by_power(x: Self::F32, n: Self::F32) -> Self::F32;
    unsafe fn div(a: Self::F32, b: Self::F32) -> Self::F32;
    /// Stores sixteen values -127..=127 rounded to integers, ties to even; what these add up to.
    unsafe fn store_i8(p: *mut i8, v: [Self::F32; 4]) -> i32;
    /// The sum of the four lanes, as (0 + 2) + (1 + 3).
    unsafe fn horizontal_sum(v: Self::F32) -> f32;
}

/// The bits of an f32 that an f16 moved into place can set.
pub const F16_MASK: u32 = 0x8fff_e000;

/// 1.5 * 2^23: a number added to it is rounded to the nearest integer, ties to even, which the low bits then hold.
pub const ROUNDER: f32 = 12_582_912.0;

/// e^x in four lanes, times a constant. What it needs is made once for a whole loop, as with [`Simd::mask`].
#[derive(Clone, Copy)]
pub struct Exp<S: Simd> {
    least: S::F32,
    most: S::F32,
    log2_e: S::F32,
    rounder: S::F32,
    minus_rounder: S::F32,
    /// ln 2 in two parts; by the first a small integer is multiplied exactly.
    minus_ln_2: [S::F32; 2],
    coefficients: [S::F32; 7],
}

impl<S: Simd> Exp<S> {
    /// `factor` is a power of two, at least 1.
    ///
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    pub unsafe fn new(factor: f32) -> Self {
        // SAFETY: the caller's promise.
        let hidden = |x| unsafe { S::splat(black_box(x)) };
        Self {
            least: hidden(-87.0),
            most: hidden(88.0),
            log2_e: hidden(std::f32::consts::LOG2_E),
            rounder: hidden(ROUNDER),
            minus_rounder: hidden(-ROUNDER),
            minus_ln_2: [hidden(-0.693_359_4), hidden(2.121_944_4e-4)],
            // The polynomial of degree 6 with the least relative error, 2e-9, up to ln 2 / 2 either way.
            coefficients: [
                1.384_364_9e-3,
                8.374_163e-3,
                4.166_8e-2,
                1.666_643_2e-1,
                4.999_999_4e-1,
                1.0,
                1.0,
            ]
            .map(|c: f32| hidden(c * factor)),
        }
    }

    /// `factor e^x`, within 2 ulp; x is held to -87..=88.
    ///
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    pub unsafe fn of(&self, x: S::F32) -> S::F32 {
        // SAFETY: the caller's promise for S holds for each of these.
        unsafe {
            let x = S::min(S::max(x, self.least), self.most);
            let n = S::mul_add(x, self.log2_e, self.rounder);
            let whole = S::add(n, self.minus_rounder);
            let r = S::mul_add(whole, self.minus_ln_2[0], x);
            let r = S::mul_add(whole, self.minus_ln_2[1], r);
            let [first, rest @ ..] = self.coefficients;
            S::scale_by_power(rest.into_iter().fold(first, |y, c| S::mul_add(y, r, c)), n)
        }
    }
}

/// Runs the kernel on the best instruction set, inside a function that enables it. Each kernel stays a function of its own: small ones are
/// what a browser compiles and optimizes soon, and only those that a model needs.
#[inline(never)]
pub fn with_simd<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn enabled<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: this function enables what Avx2 uses.
            unsafe { kernel.run::<Avx2>() }
        }
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            // SAFETY: just detected.
            return unsafe { enabled(kernel) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        #[target_feature(enable = "neon,dotprod")]
        unsafe fn enabled<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: this function enables what Neon uses.
            unsafe { kernel.run::<Neon<true>>() }
        }
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            // SAFETY: just detected.
            return unsafe { enabled(kernel) };
        }
        // SAFETY: NEON is part of the architecture.
        unsafe { kernel.run::<Neon<false>>() }
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    // SAFETY: the whole module is compiled with simd128.
    return unsafe { kernel.run::<Wasm>() };
    #[cfg(not(any(
        target_arch = "aarch64",
        all(target_arch = "wasm32", target_feature = "simd128")
    )))]
    // SAFETY: Scalar uses no special instruction.
    unsafe {
        kernel.run::<Scalar>()
    }
}

/// A piece of work written over [`Simd`].
pub trait Kernel {
    type Output;
    /// # Safety
    /// The CPU has the instructions of `S`. Implementations are `#[inline(always)]`.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}
