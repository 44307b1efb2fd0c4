//! The vector operations that the kernels need are written once for each instruction set, and each
//! kernel once, over [`Simd`].

#[cfg(target_arch = "x86_64")]
mod avx2;
mod exp;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
pub use exp::Exp;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use scalar::Scalar;
pub use vector::{F16_MASK, ROUNDER, Simd, room};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm::Wasm;

/// Runs the kernel on the best instruction set, inside a function that enables it.
///
/// Each kernel stays a function of its own: a browser compiles and optimizes small functions soon,
/// and only those that a model needs.
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
            // SAFETY: the features were just detected.
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
            // SAFETY: the feature was just detected.
            return unsafe { enabled(kernel) };
        }
        // SAFETY: NEON is part of the architecture.
        unsafe { kernel.run::<Neon<false>>() }
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    // SAFETY: the whole module is compiled with simd128.
    return unsafe { kernel.run::<Wasm<false>>() };
    #[cfg(not(any(
        target_arch = "aarch64",
        all(target_arch = "wasm32", target_feature = "simd128")
    )))]
    // SAFETY: Scalar uses no special instruction.
    unsafe {
        kernel.run::<Scalar>()
    }
}

/// Runs a kernel of integer dot products as [`with_simd`] does, in the form that suits the
/// processor's. The results are the same bits.
pub fn with_dots<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    {
        #[inline(never)]
        fn in_pairs<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: the whole module is compiled with relaxed SIMD.
            unsafe { kernel.run::<Wasm<true>>() }
        }
        if wasm::sums_pairs() {
            return in_pairs(kernel);
        }
    }
    with_simd(kernel)
}

/// Does a piece of work that is written over [`Simd`].
pub trait Kernel {
    /// Holds the result of the work.
    type Output;
    /// Does the work. Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The caller keeps the contract of [`Simd`].
    unsafe fn run<S: Simd>(self) -> Self::Output;
}
