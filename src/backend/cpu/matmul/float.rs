//! The kernel for weights that are floats (F32, F16, BF16) takes them row by row, as they lie in
//! the file.

#![allow(
    clippy::needless_range_loop,
    reason = "a tile's arrays run in step, one index for all"
)]

use super::operands::{Input, Output};
use crate::backend::{
    GROUP_ROWS,
    cpu::{
        simd::{Kernel, Simd, with_simd},
        weight::Floats,
    },
};
use std::ops::Range;

/// This number of tokens shares one conversion of the weights to f32.
const TILE: usize = 2;

/// Multiplies the rows of `groups` of a float matrix by every token.
pub(super) fn float_rows(
    weights: Floats,
    cols: usize,
    input: &Input,
    output: Output,
    groups: Range<usize>,
) {
    with_simd(FloatKernel {
        weights,
        cols,
        input,
        output,
        groups,
    });
}

struct FloatKernel<'a> {
    weights: Floats<'a>,
    cols: usize,
    input: &'a Input<'a>,
    output: Output<'a>,
    groups: Range<usize>,
}

impl Kernel for FloatKernel<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for group in self.groups.clone() {
            let mut token = 0;
            // SAFETY: this thread owns the group's rows; the tile's last token is one of the
            // input's.
            unsafe {
                while token + TILE <= self.input.tokens {
                    self.tile::<S, TILE>(group, token);
                    token += TILE;
                }
                while token < self.input.tokens {
                    self.tile::<S, 1>(group, token);
                    token += 1;
                }
            }
        }
    }
}

impl FloatKernel<'_> {
    /// Multiplies a group's rows by `T` tokens, four rows at a time.
    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize>(&self, group: usize, token: usize) {
        let cols = self.cols;
        let mut y = [[0f32; GROUP_ROWS]; T];
        let last = self.output.rows - 1;
        for first in (0..GROUP_ROWS).step_by(4) {
            // A row past the last reads the last row again; its result is dropped.
            let rows: [usize; 4] =
                std::array::from_fn(|r| (group * GROUP_ROWS + first + r).min(last) * cols);
            let x: [&[f32]; T] =
                std::array::from_fn(|t| &self.input.x[(token + t) * cols..][..cols]);
            let whole = cols / 4 * 4;
            // SAFETY: the rows lie within the matrix, and `whole` columns of them are read in
            // fours.
            unsafe {
                let mut sums = [[S::splat(0.0); 4]; T];
                for k in (0..whole).step_by(4) {
                    let w = rows.map(|row| self.weights.load::<S>(row + k));
                    for t in 0..T {
                        let x = S::load_f32(x[t].as_ptr().add(k));
                        for r in 0..4 {
                            sums[t][r] = S::mul_add(w[r], x, sums[t][r]);
                        }
                    }
                }
                for t in 0..T {
                    for r in 0..4 {
                        let mut rest = [0f32; 3];
                        let rest = &mut rest[..cols - whole];
                        self.weights.copy(rows[r] + whole, rest);
                        let rest: f32 = rest.iter().zip(&x[t][whole..]).map(|(w, x)| w * x).sum();
                        y[t][first + r] = S::horizontal_sum(sums[t][r]) + rest;
                    }
                }
            }
        }
        for (t, y) in y.iter().enumerate() {
            // SAFETY: this thread owns the group's rows.
            unsafe {
                self.output.put::<S>(
                    token + t,
                    group,
                    [S::load_f32(y.as_ptr()), S::load_f32(y.as_ptr().add(4))],
                )
            };
        }
    }
}
