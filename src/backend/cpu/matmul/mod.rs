//! The matrix products compute `y = W x` for one token or many, which takes nearly all of the time.
//!
//! A quantized matrix has two kernels: `matvec` for one token (decode) and `tile` for several
//! (prefill). The integer sums of a block of 32 columns are exact, and blocks are added up in
//! order, so a token's result is the same bits whatever tokens come with it and for every thread
//! count.

mod float;
mod matvec;
mod operands;
mod tile;
mod unpack;

pub use operands::{Input, Store};

use super::{
    pool::{Pool, SharedMut},
    repack::with_layout,
    weight::{Buf, Floats},
};
use crate::{backend::GROUP_ROWS, tensor::Weight};
use float::float_rows;
use matvec::MatvecKernel;
use operands::Output;
use std::ops::Range;
use tile::MatmulKernel;

/// Describes a product of one matrix: `y [tokens, rows]` is set to, or increased by, `w x`.
pub struct Product<'a> {
    w: &'a Weight<Buf>,
    output: Output<'a>,
}

impl<'a> Product<'a> {
    /// Makes the product that writes `w x` to `y [tokens, rows]`.
    pub fn new(w: &'a Weight<Buf>, y: &'a mut [f32], store: Store) -> Self {
        Self {
            w,
            output: Output {
                y: SharedMut::new(y),
                rows: w.rows,
                factor: w.factor,
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
            Buf::Repacked(matrix) if input.tokens == 1 => with_layout(
                matrix.layout,
                MatvecKernel {
                    matrix,
                    x: input.quantized.tile(0),
                    output,
                    groups,
                },
            ),
            Buf::Repacked(matrix) => with_layout(
                matrix.layout,
                MatmulKernel {
                    matrix,
                    input: input.quantized,
                    output,
                    groups,
                },
            ),
            Buf::F32(data) => float_rows(Floats::F32(data), self.w.cols, input, output, groups),
            Buf::F16(data) => float_rows(Floats::F16(data), self.w.cols, input, output, groups),
            Buf::BF16(data) => float_rows(Floats::BF16(data), self.w.cols, input, output, groups),
        }
    }
}

/// Multiplies the first `rows` rows, rounded to whole groups, by `tokens` tokens, on this thread
/// alone. Returns the products, `[tokens, rows]`.
pub(super) fn first_rows(w: &Weight<Buf>, rows: usize, input: &Input) -> Vec<f32> {
    let groups = rows.min(w.rows) / GROUP_ROWS;
    let rows = groups * GROUP_ROWS;
    let mut y = vec![0.0; input.tokens * rows];
    let mut product = Product::new(w, &mut y, Store::Set);
    product.output.rows = rows;
    product.run(input, 0..groups);
    y
}

/// Computes several products of the same input, shared out among the threads as one piece of work.
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
