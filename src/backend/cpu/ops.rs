//! The small operations are plain loops, or SIMD where they compute exponentials: the oracle for a
//! GPU's kernels. The threads share the rows (tokens) of a step; one row stays on the calling
//! thread, for it takes less time than waking others.

use super::{
    pool::{Pool, SharedMut},
    simd::{Exp, Kernel, Simd, with_simd},
};
use crate::backend::{Activation, GELU, LogitScale, Rope, RopePairs};
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
        let scale = inverse_rms(x, eps);
        for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
            *y = x * scale * w;
        }
    });
}

/// Computes `y = y / sqrt(mean(y^2) + eps) * weight` for each row of `y`, which is as long as
/// `weight`: a head, or all of a token's.
pub fn rms_norm_in_place(pool: &Pool, y: &mut [f32], weight: &[f32], eps: f32) {
    each_row(pool, y, weight.len(), |_, y| {
        let scale = inverse_rms(y, eps);
        for (y, w) in y.iter_mut().zip(weight) {
            *y = *y * scale * w;
        }
    });
}

/// Computes `y = (y - mean(y)) / sqrt(variance(y) + eps) * weight + bias` for each row of
/// `y [tokens, cols]` (LayerNorm: Ba et al., arXiv 1607.06450).
pub fn layer_norm(pool: &Pool, y: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    each_row(pool, y, weight.len(), |_, y| {
        let mean = y.iter().sum::<f32>() / y.len() as f32;
        y.iter_mut().for_each(|y| *y -= mean);
        let scale = inverse_rms(y, eps);
        for ((y, w), b) in y.iter_mut().zip(weight).zip(bias) {
            *y = *y * scale * w + b;
        }
    });
}

/// Returns `1 / sqrt(mean(x^2) + eps)`.
fn inverse_rms(x: &[f32], eps: f32) -> f32 {
    // Eight partial sums are exact enough, and the compiler can vectorize them.
    let mut sums = [0f32; 8];
    for chunk in x.chunks(8) {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    1.0 / (sums.iter().sum::<f32>() / x.len() as f32 + eps).sqrt()
}

/// Computes `x += y` for each row of `x [tokens, cols]`.
pub fn add(pool: &Pool, x: &mut [f32], y: &[f32], cols: usize) {
    each_row(pool, x, cols, |row, x| {
        for (x, y) in x.iter_mut().zip(&y[row * cols..]) {
            *x += y;
        }
    });
}

/// Computes the logits of products, as [`LogitScale`] says.
pub fn scale_logits(pool: &Pool, by: LogitScale, logits: &mut [f32], vocab: usize) {
    if by == LogitScale::NONE {
        return;
    }
    each_row(pool, logits, vocab, |_, logits| {
        for y in logits {
            *y *= by.scale;
            if by.softcap > 0.0 {
                *y = bounded(*y, by.softcap);
            }
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

/// Takes the queries out of `x [tokens, heads, q | gate, head_dim]`.
pub fn queries(pool: &Pool, x: &[f32], head_dim: usize, q: &mut Vec<f32>) {
    q.resize(x.len() / 2, 0.0);
    each_row(pool, q, head_dim, |row, q| {
        q.copy_from_slice(&x[2 * row * head_dim..][..head_dim]);
    });
}

/// Computes `y *= sigmoid(gate)`, where `gate` lies as [`queries`] has it.
pub fn gate(pool: &Pool, y: &mut [f32], x: &[f32], head_dim: usize) {
    each_row(pool, y, head_dim, |row, y| {
        let gates = &x[(2 * row + 1) * head_dim..][..head_dim];
        for (y, gate) in y.iter_mut().zip(gates) {
            *y /= 1.0 + (-gate).exp();
        }
    });
}

/// Returns `bound * tanh(x / bound)`.
pub fn bounded(x: f32, bound: f32) -> f32 {
    bound - 2.0 * bound / ((2.0 * x / bound).exp() + 1.0)
}

/// Holds the tables of the ropes that a step's layers have.
#[derive(Default)]
pub struct RopeTables(Vec<RopeTable>);

impl RopeTables {
    /// Returns the rope's table for `tokens` positions from `position` on.
    pub fn table(&mut self, rope: &Rope, position: usize, tokens: usize) -> &RopeTable {
        let at = self.0.iter().position(|table| table.is_of(rope));
        let at = at.unwrap_or_else(|| {
            self.0.push(RopeTable::default());
            self.0.len() - 1
        });
        self.0[at].set(rope, position, tokens);
        &self.0[at]
    }
}

/// Holds the sines and cosines of a step's positions, which the layers of one rope share.
#[derive(Default)]
pub struct RopeTable {
    /// Holds what the table was made for: the embedding, the first position and the tokens.
    of: Option<(Rope, usize, usize)>,
    /// Holds sine and cosine of each pair, `[tokens, pairs]`.
    rotations: Vec<(f32, f32)>,
}

impl RopeTable {
    /// Returns whether the table was made for this rope.
    fn is_of(&self, rope: &Rope) -> bool {
        let is_it =
            |(other, ..): &(Rope, usize, usize)| Arc::ptr_eq(&other.frequencies, &rope.frequencies);
        self.of.as_ref().is_some_and(is_it)
    }

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
        self.rotations
            .reserve_exact(tokens * rope.frequencies.len());
        for p in position..position + tokens {
            let rotation = |frequency: &f32| {
                let (sin, cos) = (p as f32 * frequency).sin_cos();
                (sin * rope.scale, cos * rope.scale)
            };
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

/// Computes `gate = activation(gate) * up` for each row of `gate [tokens, cols]`. Each activation is
/// `x / (1 + e^-y)`, where `y` is `x` (SiLU) or a cubic polynomial of it (GELU).
pub fn activate_mul(
    pool: &Pool,
    activation: Activation,
    gate: &mut [f32],
    up: &[f32],
    cols: usize,
) {
    each_row(pool, gate, cols, |row, gate| {
        activate_row::<true>(activation, gate, &up[row * cols..][..cols]);
    });
}

/// Computes `x = activation(x)` for each row of `x [tokens, cols]`, as [`activate_mul`] does.
pub fn activate(pool: &Pool, activation: Activation, x: &mut [f32], cols: usize) {
    each_row(pool, x, cols, |_, x| {
        activate_row::<false>(activation, x, &[])
    });
}

fn activate_row<const HAS_UP: bool>(activation: Activation, gate: &mut [f32], up: &[f32]) {
    match activation {
        Activation::Silu => with_simd(GateMul::<false, HAS_UP> { gate, up }),
        Activation::Gelu => with_simd(GateMul::<true, HAS_UP> { gate, up }),
    }
}

/// Activates `gate`, and multiplies it by `up` where there is one.
struct GateMul<'a, const IS_GELU: bool, const HAS_UP: bool> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl<const IS_GELU: bool, const HAS_UP: bool> Kernel for GateMul<'_, IS_GELU, HAS_UP> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (gate, gate_rest) = self.gate.as_chunks_mut::<4>();
        let (up, up_rest) = self.up.as_chunks::<4>();
        // SAFETY: the caller keeps the contract of `S`.
        let exp = unsafe { Exp::<S>::new(1.0) };
        for (i, g) in gate.iter_mut().enumerate() {
            // SAFETY: `g` and `up[i]` have four floats each.
            unsafe {
                let x = S::load_f32(g.as_ptr());
                let factor = match IS_GELU {
                    false => S::splat(-1.0),
                    true => S::mul_add(S::mul(x, x), S::splat(-GELU[1]), S::splat(-GELU[0])),
                };
                let denominator = S::add(S::splat(1.0), exp.of(S::mul(x, factor)));
                let y = S::div(x, denominator);
                let y = match HAS_UP {
                    true => S::mul(y, S::load_f32(up[i].as_ptr())),
                    false => y,
                };
                S::store(g.as_mut_ptr(), y);
            }
        }
        for (i, g) in gate_rest.iter_mut().enumerate() {
            let factor = match IS_GELU {
                false => 1.0,
                true => GELU[0] + GELU[1] * *g * *g,
            };
            *g /= 1.0 + (-*g * factor).exp();
            if HAS_UP {
                *g *= up_rest[i];
            }
        }
    }
}
