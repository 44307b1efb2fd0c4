//! The exponential function is computed in four lanes.

use super::vector::{ROUNDER, Simd};
use std::hint::black_box;

/// Computes e^x in four lanes, times a constant. Its vectors are made once for a whole loop, like
/// those of [`Simd::mask`].
#[derive(Clone, Copy)]
pub struct Exp<S: Simd> {
    min: S::F32,
    max: S::F32,
    log2_e: S::F32,
    rounder: S::F32,
    minus_rounder: S::F32,
    /// Minus ln 2 in two parts, of which the first times a small integer is exact.
    minus_ln_2: [S::F32; 2],
    coefficients: [S::F32; 7],
}

impl<S: Simd> Exp<S> {
    /// Makes the vectors for `factor e^x`, where `factor` is a power of two, at least 1.
    ///
    /// # Safety
    /// The caller keeps the contract of [`Simd`].
    #[inline(always)]
    pub unsafe fn new(factor: f32) -> Self {
        // SAFETY: the caller keeps the contract of this function.
        let hidden = |x| unsafe { S::splat(black_box(x)) };
        Self {
            min: hidden(-87.0),
            max: hidden(88.0),
            log2_e: hidden(std::f32::consts::LOG2_E),
            rounder: hidden(ROUNDER),
            minus_rounder: hidden(-ROUNDER),
            minus_ln_2: [hidden(-0.693_359_4), hidden(2.121_944_4e-4)],
            // These are the polynomial of degree 6 with the least relative error, 2e-9, for e^x
            // from -ln 2 / 2 to ln 2 / 2.
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

    /// Returns `factor e^x`, within 2 ulp; x is held to -87..=88.
    ///
    /// # Safety
    /// The caller keeps the contract of [`Simd`].
    #[inline(always)]
    pub unsafe fn of(&self, x: S::F32) -> S::F32 {
        // SAFETY: the caller keeps the contract of `S` for each of these.
        unsafe {
            let x = S::min(S::max(x, self.min), self.max);
            let n = S::mul_add(x, self.log2_e, self.rounder);
            let whole = S::add(n, self.minus_rounder);
            let r = S::mul_add(whole, self.minus_ln_2[0], x);
            let r = S::mul_add(whole, self.minus_ln_2[1], r);
            let [first, rest @ ..] = self.coefficients;
            S::scale_by_power(rest.into_iter().fold(first, |y, c| S::mul_add(y, r, c)), n)
        }
    }
}
