//! `y = W x` for one token or many: the product that takes nearly all of the time.
//!
//! The integer sums of a block of 32 columns are exact, and blocks are added up in order, so a token's result is the same bits
//! whatever tokens come with it and for every thread count.

use super::{
    Buf,
    float::{FloatKind, float_rows},
    packed::with_layout,
    panel::Panels,
    pool::{Pool, SharedMut},
    quantized::Quantized,
    simd::Simd,
    vector::Vector,
};
use crate::{backend::GROUP_ROWS, tensor::Weight};
use std::ops::Range;

/// What a product reads: `x [tokens, cols]`, and the same quantized if a packed weight asks for it.
pub struct Input<'a> {
    pub tokens: usize,
    pub x: &'a [f32],
    pub quantized: &'a Quantized,
}

/// What a product does with its result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Set,
    Add,
}

/// `y [tokens, rows]` is set to, or increased by, `w x`.
pub struct Product<'a> {
    w: &'a Weight<Buf>,
    output: Output<'a>,
}

impl<'a> Product<'a> {
    pub fn new(w: &'a Weight<Buf>, y: &'a mut [f32], store: Store) -> Self {
        Self {
            w,
            output: Output {
                y: SharedMut::new(y),
                rows: w.rows,
                store,
            },
        }
    }

    fn groups(&self) -> usize {
        self.w.rows.div_ceil(GROUP_ROWS)
    }

    fn run(&self, input: &Input, groups: Range<usize>) {
        let output = self.output;
        match &self.w.buf {
            Buf::Packed(packed) if input.tokens == 1 => with_layout(
                packed.layout,
                Vector {
                    packed,
                    x: input.quantized.tile(0),
                    output,
                    groups,
                },
            ),
            Buf::Packed(packed) => with_layout(
                packed.layout,
                Panels {
                    packed,
                    input: input.quantized,
                    output,
                    groups,
                },
            ),
            Buf::F32(data) => float_rows(FloatKind::F32(data), self.w.cols, input, output, groups),
            Buf::F16(data) => float_rows(FloatKind::F16(data), self.w.cols, input, output, groups),
            Buf::BF16(data) => {
                float_rows(FloatKind::BF16(data), self.w.cols, input, output, groups)
            }
        }
    }
}

/// Several products of the same input, shared out among the threads as one piece of work.
pub fn matmul(pool: &Pool, input: &Input, products: &[Product]) {
    pool.split(products.iter().map(Product::groups).sum(), |range| {
        let mut first = 0;
        for product in products {
            let end = first + product.groups();
            let (from, to) = (range.start.max(first), range.end.min(end));
            if from < to {
                product.run(input, from - first..to - first);
            }
            first = end;
        }
    });
}

/// Where results go: `y [tokens, rows]`, of which a thread writes its own rows.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    y: SharedMut<'a, f32>,
    pub rows: usize,
    store: Store,
}

impl Output<'_> {
    /// Puts a group's rows; those past the last are dropped.
    ///
    /// # Safety
    /// The caller's thread alone owns the group's rows.
    #[inline(always)]
    pub unsafe fn put<S: Simd>(&self, token: usize, group: usize, v: [S::F32; GROUP_ROWS / 4]) {
        let (first, at) = (group * GROUP_ROWS, token * self.rows);
        // SAFETY: inside y for full groups; the ragged last group goes element by element.
        unsafe {
            if first + GROUP_ROWS <= self.rows {
                let y = self
                    .y
                    .slice(at + first..at + first + GROUP_ROWS)
                    .as_mut_ptr();
                for (i, v) in v.into_iter().enumerate() {
                    let y = y.add(4 * i);
                    S::store(
                        y,
                        if self.store == Store::Add {
                            S::add(S::load_f32(y), v)
                        } else {
                            v
                        },
                    );
                }
            } else {
                let mut lanes = [0f32; GROUP_ROWS];
                for (lanes, v) in lanes.as_chunks_mut::<4>().0.iter_mut().zip(v) {
                    S::store(lanes.as_mut_ptr(), v);
                }
                for (y, lane) in self
                    .y
                    .slice(at + first..at + self.rows)
                    .iter_mut()
                    .zip(lanes)
                {
                    *y = if self.store == Store::Add {
                        *y + lane
                    } else {
                        lane
                    };
                }
            }
        }
    }
}
