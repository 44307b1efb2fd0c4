//! The small operations are plain loops, or SIMD where they compute exponentials: the oracle for a
//! GPU's kernels. The threads share the rows (tokens) of a step; one row stays on the calling
//! thread, for it takes less time than waking others.

use super::{
    pool::{Pool, SharedMut},
    simd::{Exp, Kernel, Simd, with_simd},
};
use crate::backend::{Rope, RopePairs};
use std::sync::Arc;

/// Calls `work(row, y)` for each row of `y [tokens, cols]`, shared out among the threads.
fn each_row(pool: &Pool, y: &mut [f32], cols: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = y.len() / cols;
    let y = SharedMut::new(y);
    pool.split(rows, |range| {
        for row in range {
            // SAFETY: each row belongs to one item.
            work(row, unsafe { y.slice(row * cols..(row + 1) * cols) });
        }
    });
}

/// Computes `y = x / sqrt(mean(x^2) + eps) * weight` for each row of `x [tokens, cols]` (RMSNorm:
/// Zhang and Sennrich, arXiv 1910.07467).
pub fn rms_norm(pool: &Pool, x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    let cols = weight.len();
    each_row(pool, y, cols, |row, y| {
        let x = &x[row * cols..][..cols];
        // Eight partial sums are exact enough, and the compiler can vectorize them.
        let mut sums = [0f32; 8];
        for chunk in x.chunks(8) {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum += x * x;
            }
        }
        let scale = 1.0 / (sums.iter().sum::<f32>() / cols as f32 + eps).sqrt();
        for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
            *y = x * scale * w;
        }
    });
}

/// Computes `y += bias` for each row of `y [tokens, cols]`.
pub fn add_bias(pool: &Pool, y: &mut [f32], bias: &[f32]) {
    each_row(pool, y, bias.len(), |_, y| {
        for (y, b) in y.iter_mut().zip(bias) {
            *y += b;
        }
    });
}

/// Holds the sines and cosines of a step's positions, which all its layers share.
#[derive(Default)]
pub struct RopeTable {
    /// Holds what the table was made for: the embedding, the first position and the tokens.
    of: Option<(Rope, usize, usize)>,
    /// Holds sine and cosine of each pair, `[tokens, pairs]`.
    rotations: Vec<(f32, f32)>,
}

impl RopeTable {
    /// Makes the table for `tokens` positions from `position` on, unless it is that table already.
    pub fn set(&mut self, rope: &Rope, position: usize, tokens: usize) {
        let is_same = |(other, first, count): &(Rope, usize, usize)| {
            Arc::ptr_eq(&other.frequencies, &rope.frequencies)
                && (other.pairs, *first, *count) == (rope.pairs, position, tokens)
        };
        if self.of.as_ref().is_some_and(is_same) {
            return;
        }
        self.rotations.clear();
        for p in position..position + tokens {
            let rotation = |frequency: &f32| (p as f32 * frequency).sin_cos();
            self.rotations.extend(rope.frequencies.iter().map(rotation));
        }
        self.of = Some((rope.clone(), position, tokens));
    }

    /// Rotates the pairs of every head of `x [tokens, heads, head_dim]`, whose tokens are those of
    /// the table (rotary position embedding: Su et al., arXiv 2104.09864).
    pub fn apply(&self, pool: &Pool, x: &mut [f32], heads: usize, head_dim: usize) {
        let Some((rope, ..)) = &self.of else { return };
        let pairs = rope.frequencies.len();
        each_row(pool, x, heads * head_dim, |t, x| {
            let rotations = &self.rotations[t * pairs..][..pairs];
            for x in x.chunks_exact_mut(head_dim) {
                match rope.pairs {
                    RopePairs::Adjacent => {
                        for ([a, b], &by) in x.as_chunks_mut().0.iter_mut().zip(rotations) {
                            (*a, *b) = rotate(*a, *b, by);
                        }
                    }
                    RopePairs::Halves => {
                        let (a, b) = x.split_at_mut(pairs);
                        for ((a, b), &by) in a.iter_mut().zip(b).zip(rotations) {
                            (*a, *b) = rotate(*a, *b, by);
                        }
                    }
                }
            }
        });
    }
}

/// Turns the pair `(a, b)` by an angle, of which the sine and the cosine are given.
fn rotate(a: f32, b: f32, (sin, cos): (f32, f32)) -> (f32, f32) {
    (a * cos - b * sin, a * sin + b * cos)
}

/// Computes `gate = silu(gate) * up` with `silu(x) = x / (1 + e^-x)`, for each row of
/// `gate [tokens, cols]`.
pub fn silu_mul(pool: &Pool, gate: &mut [f32], up: &[f32], cols: usize) {
    each_row(pool, gate, cols, |row, gate| {
        let up = &up[row * cols..][..cols];
        with_simd(SiluMul { gate, up });
    });
}

struct SiluMul<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Kernel for SiluMul<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (gate, gate_rest) = self.gate.as_chunks_mut::<4>();
        let (up, up_rest) = self.up.as_chunks::<4>();
        // SAFETY: the caller keeps the contract of `S`.
        let exp = unsafe { Exp::<S>::new(1.0) };
        for (g, u) in gate.iter_mut().zip(up) {
            // SAFETY: `g` and `u` have four floats each.
            unsafe {
                let x = S::load_f32(g.as_ptr());
                let denominator = S::add(S::splat(1.0), exp.of(S::mul(x, S::splat(-1.0))));
                S::store(
                    g.as_mut_ptr(),
                    S::mul(S::div(x, denominator), S::load_f32(u.as_ptr())),
                );
            }
        }
        for (g, u) in gate_rest.iter_mut().zip(up_rest) {
            *g = *g / (1.0 + (-*g).exp()) * u;
        }
    }
}
