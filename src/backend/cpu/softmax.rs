//! The softmax of a query's scores is kept online, tile after tile and split after split.

use super::simd::{Exp, Simd};
use std::ops::Range;

/// Keeps the softmax of one query online: it has the largest score so far, and the sum of
/// exponentials below it.
#[derive(Clone, Copy)]
pub(super) struct OnlineSoftmax {
    max: f32,
    pub(super) sum: f32,
}

impl OnlineSoftmax {
    /// This softmax has no scores yet.
    pub(super) const EMPTY: Self = Self {
        max: f32::NEG_INFINITY,
        sum: 0.0,
    };

    /// Takes in the softmax of other positions. Returns the factors by which the sums of values so
    /// far and those of the others are to be multiplied.
    pub(super) fn merge(&mut self, other: Self) -> [f32; 2] {
        if other.sum == 0.0 {
            // A token does not see these positions. Minus infinity less itself would be NaN.
            return [1.0, 0.0];
        }
        let max = self.max.max(other.max);
        let factors = [(self.max - max).exp(), (other.max - max).exp()];
        let sum = self.sum * factors[0] + other.sum * factors[1];
        *self = Self { max, sum };
        factors
    }

    /// Writes `sums`, the sums of weighted values, divided by the sum of weights.
    pub(super) fn divide(self, sums: &[f32], out: &mut [f32]) {
        let inverse = 1.0 / self.sum;
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum * inverse;
        }
    }

    /// Takes in the `seen` scores of a tile, which lack the factor `F16_REST.sqrt()`. They
    /// become weights, and with them the sum of weights is times `F16_REST`. Returns the factor by
    /// which the sums of values so far are to be multiplied.
    ///
    /// # Safety
    /// `TILE` is a multiple of 4, and the caller keeps the contract of [`Simd`].
    #[inline(always)]
    pub(super) unsafe fn update<S: Simd, const TILE: usize>(
        &mut self,
        scores: &mut [f32; TILE],
        seen: Range<usize>,
        exp: &Exp<S>,
    ) -> f32 {
        let rest = S::F16_REST.sqrt();
        scores[seen.end..].fill(f32::NEG_INFINITY);
        scores[..seen.start].fill(f32::NEG_INFINITY);
        // SAFETY: the scores are read and written in fours, and `TILE` is a multiple of 4.
        unsafe {
            let fours = scores.as_chunks_mut::<4>().0;
            let mut lanes = [0f32; 4];
            S::store(
                lanes.as_mut_ptr(),
                fours.iter().fold(S::splat(f32::NEG_INFINITY), |m, s| {
                    S::max(m, S::load_f32(s.as_ptr()))
                }),
            );
            let max = lanes
                .iter()
                .fold(self.max, |m, &s| if s * rest > m { s * rest } else { m });
            for s in fours.iter_mut() {
                S::store(
                    s.as_mut_ptr(),
                    exp.of(S::mul_add(
                        S::load_f32(s.as_ptr()),
                        S::splat(rest),
                        S::splat(-max),
                    )),
                );
            }
            scores[seen.end..].fill(0.0);
            scores[..seen.start].fill(0.0);
            let sums = scores
                .as_chunks::<4>()
                .0
                .iter()
                .fold(S::splat(0.0), |sum, s| S::add(sum, S::load_f32(s.as_ptr())));
            let mut keep = 1.0;
            if max > self.max {
                S::store(lanes.as_mut_ptr(), exp.of(S::splat(self.max - max)));
                keep = lanes[0] / S::F16_REST;
            }
            *self = OnlineSoftmax {
                max,
                sum: self.sum * keep + S::horizontal_sum(sums),
            };
            keep
        }
    }
}

/// Computes `sums = sums * factors[0] + part * factors[1]`.
#[inline(always)]
pub(super) fn add_scaled(sums: &mut [f32], part: &[f32], factors: [f32; 2]) {
    for (sum, part) in sums.iter_mut().zip(part) {
        *sum = *sum * factors[0] + part * factors[1];
    }
}
