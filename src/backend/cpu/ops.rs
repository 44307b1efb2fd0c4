//! The small operations are plain loops: the oracle for a GPU's kernels, and fast enough beside the
//! matrix products.

use super::simd::{Exp, Kernel, Simd, with_simd};
use crate::backend::{Rope, RopePairs};

/// Computes `y = x / sqrt(mean(x^2) + eps) * weight` for each row of `x [tokens, cols]` (RMSNorm:
/// Zhang and Sennrich, arXiv 1910.07467).
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    let cols = weight.len();
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
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
    }
}

/// Computes `y += bias` for each row of `y [tokens, cols]`.
pub fn add_bias(y: &mut [f32], bias: &[f32]) {
    for y in y.chunks_exact_mut(bias.len()) {
        for (y, b) in y.iter_mut().zip(bias) {
            *y += b;
        }
    }
}

/// Rotates the pairs of every head of `x [tokens, heads, head_dim]`, whose first token stands at
/// `position` (rotary position embedding: Su et al., arXiv 2104.09864).
pub fn rope(x: &mut [f32], heads: usize, head_dim: usize, rope: &Rope, position: usize) {
    let pairs = rope.frequencies.len();
    let mut rotations = vec![(0f32, 0f32); pairs];
    for (t, x) in x.chunks_exact_mut(heads * head_dim).enumerate() {
        for (rotation, frequency) in rotations.iter_mut().zip(&*rope.frequencies) {
            *rotation = ((position + t) as f32 * frequency).sin_cos();
        }
        for x in x.chunks_exact_mut(head_dim) {
            for (i, (sin, cos)) in rotations.iter().enumerate() {
                let (a, b) = match rope.pairs {
                    RopePairs::Adjacent => (2 * i, 2 * i + 1),
                    RopePairs::Halves => (i, i + pairs),
                };
                (x[a], x[b]) = (x[a] * cos - x[b] * sin, x[a] * sin + x[b] * cos);
            }
        }
    }
}

/// Computes `gate = silu(gate) * up` with `silu(x) = x / (1 + e^-x)`.
pub fn silu_mul(gate: &mut [f32], up: &[f32]) {
    with_simd(SiluMul { gate, up });
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
