//! What a product reads and where its result goes.

use crate::backend::{
    GROUP_ROWS,
    cpu::{pool::SharedMut, quantize::QuantizedActivations, simd::Simd},
};

/// What a product reads: `x [tokens, cols]`, and the same quantized if a packed weight asks for it.
pub struct Input<'a> {
    pub tokens: usize,
    pub x: &'a [f32],
    pub quantized: &'a QuantizedActivations,
}

/// What a product does with its result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Set,
    Add,
}

/// Where results go: `y [tokens, rows]`, of which a thread writes its own rows.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    pub(super) y: SharedMut<'a, f32>,
    pub(super) rows: usize,
    pub(super) store: Store,
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
