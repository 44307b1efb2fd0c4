//! A product has operands: what it reads, and where its result goes.

use crate::backend::{
    GROUP_ROWS,
    cpu::{pool::SharedMut, quantize::QuantizedActivations, simd::Simd},
};

/// Holds the input of a product.
pub struct Input<'a> {
    /// Counts the tokens.
    pub tokens: usize,
    /// Holds the activations `[tokens, cols]`.
    pub x: &'a [f32],
    /// Holds the same activations, quantized, if some weight of the products is a repacked matrix.
    pub quantized: &'a QuantizedActivations,
}

/// Says what a product does with its result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// The result replaces what was in `y`.
    Set,
    /// The result is added to `y`.
    Add,
}

/// Holds the output of a product, `y [tokens, rows]`, of which each thread writes its own rows.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) y: SharedMut<'a, f32>,
    pub(super) rows: usize,
    /// Multiplies the result.
    pub(super) factor: f32,
    pub(super) store: Store,
}

impl Output<'_> {
    /// Stores the results of a group's rows; those past the last row are dropped.
    ///
    /// # Safety
    /// The caller's thread alone owns the group's rows, and the caller keeps the contract of
    /// [`Simd`].
    #[inline(always)]
    pub(super) unsafe fn put<S: Simd>(
        &self,
        token: usize,
        group: usize,
        v: [S::F32; GROUP_ROWS / 4],
    ) {
        let (first, at) = (group * GROUP_ROWS, token * self.rows);
        // SAFETY: a full group lies inside y; the ragged last group goes element by element.
        unsafe {
            let v = v.map(|v| S::mul(v, S::splat(self.factor)));
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
