//! Activations as the dot kernels take them: int8 with one scale for 32 columns, and a second look at outliers.
//!
//! A few columns of a transformer's activations are far larger than the rest (Dettmers et al., arXiv 2208.07339), and one of
//! them takes nearly all of int8's levels from its 31 neighbours. Blocks with an outlier get a second int8 plane for what the
//! first leaves: few blocks, so little work, and most of the rounding error gone (docs/accuracy.md).

use super::packed::BLOCK;

/// A block holds an outlier if its scale is more than this many times its token's mean scale.
const OUTLIER: f32 = 2.0;

/// `[tokens, cols]`: `x = coarse + fine`, fine being zero but for the blocks with outliers.
#[derive(Default)]
pub struct Quantized {
    pub cols: usize,
    pub coarse: Plane,
    pub fine: Plane,
    /// The blocks of `fine` that are not zero, counted from their token's first, token after token.
    outliers: Vec<usize>,
    /// Where each token's end in `outliers`.
    ends: Vec<usize>,
}

/// `x = scale * q`, q in -127..=127.
#[derive(Default)]
pub struct Plane {
    /// `[tokens, cols]`
    pub q: Vec<i8>,
    /// `[tokens, cols / 32]`
    pub scale: Vec<f32>,
    /// The sums of q over 16 columns, `[tokens, cols / 16]`: what offsets and minimums multiply.
    pub sum: Vec<i32>,
}

impl Quantized {
    /// Takes `x [tokens, cols]`; `cols` is a multiple of 32.
    pub fn set(&mut self, x: &[f32], cols: usize) {
        let Self { coarse, fine, outliers, ends, .. } = self;
        self.cols = cols;
        outliers.clear();
        ends.clear();
        coarse.resize(x.len());
        fine.resize(x.len());
        for (b, x) in x.as_chunks().0.iter().enumerate() {
            coarse.put(b, x);
        }
        let blocks = cols / BLOCK;
        for token in 0..x.len() / cols {
            let scales = &coarse.scale[token * blocks..][..blocks];
            let limit = OUTLIER * scales.iter().sum::<f32>() / blocks as f32;
            for (i, b) in (token * blocks..(token + 1) * blocks).enumerate() {
                fine.scale[b] = 0.0;
                if coarse.scale[b] > limit {
                    let q = &coarse.q[b * BLOCK..][..BLOCK];
                    let rest = std::array::from_fn(|i| x[b * BLOCK + i] - coarse.scale[b] * f32::from(q[i]));
                    fine.put(b, &rest);
                    outliers.push(i);
                }
            }
            ends.push(outliers.len());
        }
    }

    /// The blocks of a token that `fine` has more of.
    pub fn outliers(&self, token: usize) -> &[usize] {
        let start = if token == 0 { 0 } else { self.ends[token - 1] };
        &self.outliers[start..self.ends[token]]
    }
}

impl Plane {
    fn resize(&mut self, len: usize) {
        self.q.resize(len, 0);
        self.scale.resize(len / BLOCK, 0.0);
        self.sum.resize(len / 16, 0);
    }

    fn put(&mut self, block: usize, x: &[f32; BLOCK]) {
        let largest = x.iter().fold(0f32, |m, x| m.max(x.abs()));
        self.scale[block] = largest / 127.0;
        let inverse = if largest > f32::MIN_POSITIVE * 127.0 { 127.0 / largest } else { 0.0 };
        let q = &mut self.q[block * BLOCK..][..BLOCK];
        for (q, x) in q.iter_mut().zip(x) {
            // Adding 1.5 * 2^23 rounds to the nearest integer in the low mantissa bits, without a call to a rounding function.
            *q = ((x * inverse + 12_582_912.0).to_bits() & 0xff) as i8;
        }
        for (sum, q) in self.sum[2 * block..].iter_mut().zip(q.chunks_exact(16)) {
            *sum = q.iter().map(|&q| i32::from(q)).sum();
        }
    }
}
