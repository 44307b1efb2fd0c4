//! Activations as the dot kernels take them: int8 with one scale for 32 columns.

use super::packed::BLOCK;

/// `[tokens, cols]`: `x = scale * q`, q in -127..=127.
#[derive(Default)]
pub struct Quantized {
    pub cols: usize,
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
        self.cols = cols;
        self.q.resize(x.len(), 0);
        self.scale.resize(x.len() / BLOCK, 0.0);
        self.sum.resize(x.len() / 16, 0);
        for (((x, q), scale), sum) in
            x.chunks_exact(BLOCK).zip(self.q.chunks_exact_mut(BLOCK)).zip(&mut self.scale).zip(self.sum.chunks_exact_mut(2))
        {
            let largest = x.iter().fold(0f32, |m, x| m.max(x.abs()));
            *scale = largest / 127.0;
            let inverse = if largest > f32::MIN_POSITIVE * 127.0 { 127.0 / largest } else { 0.0 };
            for (q, x) in q.iter_mut().zip(x) {
                // Adding 1.5 * 2^23 rounds to the nearest integer in the low mantissa bits, without a call to a rounding function.
                *q = ((x * inverse + 12_582_912.0).to_bits() & 0xff) as i8;
            }
            for (sum, q) in sum.iter_mut().zip(q.chunks_exact(16)) {
                *sum = q.iter().map(|&q| q as i32).sum();
            }
        }
    }
}
