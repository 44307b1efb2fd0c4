//! `y = W x` for weights that are floats: F32, F16, BF16, row by row as they lie in the file.

use super::{
    matmul::{Input, Output},
    simd::{Kernel, Simd, with_simd},
};
use crate::backend::GROUP_ROWS;
use half::{bf16, f16};
use std::ops::Range;

#[derive(Clone, Copy)]
pub enum FloatKind<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    BF16(&'a [u16]),
}

impl FloatKind<'_> {
    /// Elements `at .. at + out.len()` as f32.
    pub fn copy(self, at: usize, out: &mut [f32]) {
        match self {
            FloatKind::F32(data) => out.copy_from_slice(&data[at..][..out.len()]),
            FloatKind::F16(data) => out.iter_mut().zip(&data[at..]).for_each(|(y, &x)| *y = f16::from_bits(x).to_f32()),
            FloatKind::BF16(data) => out.iter_mut().zip(&data[at..]).for_each(|(y, &x)| *y = bf16::from_bits(x).to_f32()),
        }
    }

    /// # Safety
    /// Four elements can be read at `at`.
    #[inline(always)]
    unsafe fn load<S: Simd>(self, at: usize) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                FloatKind::F32(data) => S::load_f32(data.as_ptr().add(at)),
                FloatKind::F16(data) => S::load_f16(data.as_ptr().add(at)),
                FloatKind::BF16(data) => S::load_bf16(data.as_ptr().add(at)),
            }
        }
    }
}

/// The rows of `groups` (four a group) of a float matrix times every token.
pub fn float_rows(weights: FloatKind, cols: usize, input: &Input, output: Output, groups: Range<usize>) {
    with_simd(FloatRows { weights, cols, input, output, groups });
}

struct FloatRows<'a> {
    weights: FloatKind<'a>,
    cols: usize,
    input: &'a Input<'a>,
    output: Output<'a>,
    groups: Range<usize>,
}

impl Kernel for FloatRows<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { weights, cols, input, output, groups } = self;
        let whole = cols / 4 * 4;
        for group in groups {
            for token in 0..input.tokens {
                let x = &input.x[token * cols..][..cols];
                let mut lanes = [0f32; GROUP_ROWS];
                let rows = GROUP_ROWS.min(output.rows - group * GROUP_ROWS);
                for (r, lane) in lanes[..rows].iter_mut().enumerate() {
                    let start = (group * GROUP_ROWS + r) * cols;
                    // SAFETY: the row lies within the matrix, `whole` columns of it in fours.
                    unsafe {
                        let mut sum = S::splat(0.0);
                        for k in (0..whole).step_by(4) {
                            sum = S::mul_add(weights.load::<S>(start + k), S::load_f32(x.as_ptr().add(k)), sum);
                        }
                        *lane = S::horizontal_sum(sum);
                    }
                    let mut rest = [0f32; 3];
                    let rest = &mut rest[..cols - whole];
                    weights.copy(start + whole, rest);
                    *lane += rest.iter().zip(&x[whole..]).map(|(w, x)| w * x).sum::<f32>();
                }
                // SAFETY: this thread owns the group's rows.
                unsafe { output.put::<S>(token, group * GROUP_ROWS, S::load_f32(lanes.as_ptr())) };
            }
        }
    }
}
