//! The kernel for weights that are floats (F32, F16, BF16) takes them row by row, as they lie in
//! the file. For several tokens eight rows of F16 or BF16 are widened to f32 once.

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
use std::{cell::RefCell, ops::Range};

thread_local! {
    /// Holds the rows that a thread has widened, `[GROUP_ROWS, cols]`.
    static PANEL: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// This number of tokens is multiplied together.
const TILE: usize = 2;
/// Rows are widened for this number of tokens and more; for fewer it takes longer than it saves.
const MIN_TOKENS: usize = 8;

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
        let cols = self.cols;
        PANEL.with_borrow_mut(|panel| {
            for group in self.groups.clone() {
                // A row past the last reads the last row again; its result is dropped.
                let last = self.output.rows - 1;
                let rows: [usize; GROUP_ROWS] =
                    std::array::from_fn(|r| (group * GROUP_ROWS + r).min(last) * cols);
                let (weights, rows) = if self.input.tokens < MIN_TOKENS || self.weights.is_f32() {
                    (self.weights, rows)
                } else {
                    panel.resize(panel.len().max(GROUP_ROWS * cols), 0.0);
                    for (&row, to) in rows.iter().zip(panel.chunks_exact_mut(cols)) {
                        // SAFETY: the row lies within the matrix.
                        unsafe { self.widen::<S>(row, to) };
                    }
                    (Floats::F32(panel), std::array::from_fn(|r| r * cols))
                };
                let mut token = 0;
                // SAFETY: this thread owns the group's rows; the tile's last token is one of the
                // input's.
                unsafe {
                    while token + TILE <= self.input.tokens {
                        self.tile::<S, TILE>(weights, rows, group, token);
                        token += TILE;
                    }
                    while token < self.input.tokens {
                        self.tile::<S, 1>(weights, rows, group, token);
                        token += 1;
                    }
                }
            }
        });
    }
}

impl FloatKernel<'_> {
    /// Widens the row that begins at `row` to f32 `[cols]`.
    ///
    /// # Safety
    /// The row lies within the matrix, and the caller keeps the contract of [`Simd`].
    #[inline(always)]
    unsafe fn widen<S: Simd>(&self, row: usize, to: &mut [f32]) {
        let (fours, rest) = to.as_chunks_mut::<4>();
        for (k, four) in fours.iter_mut().enumerate() {
            // SAFETY: the caller keeps the contract of this function.
            unsafe { S::store(four.as_mut_ptr(), self.weights.load::<S>(row + 4 * k)) };
        }
        self.weights.copy(row + 4 * fours.len(), rest);
    }

    /// Multiplies a group's rows, which begin at `rows` in `weights`, by `T` tokens, four rows at a
    /// time.
    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize>(
        &self,
        weights: Floats,
        rows: [usize; GROUP_ROWS],
        group: usize,
        token: usize,
    ) {
        let cols = self.cols;
        let mut y = [[0f32; GROUP_ROWS]; T];
        for first in (0..GROUP_ROWS).step_by(4) {
            let rows: [usize; 4] = std::array::from_fn(|r| rows[first + r]);
            let x: [&[f32]; T] =
                std::array::from_fn(|t| &self.input.x[(token + t) * cols..][..cols]);
            let whole = cols / 4 * 4;
            // SAFETY: the rows lie within the matrix, and `whole` columns of them are read in
            // fours.
            unsafe {
                let mut sums = [[S::splat(0.0); 4]; T];
                for k in (0..whole).step_by(4) {
                    let w = rows.map(|row| weights.load::<S>(row + k));
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
                        weights.copy(rows[r] + whole, rest);
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
