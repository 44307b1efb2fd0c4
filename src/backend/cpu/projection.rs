//! Products of weights and activations, with what stands before and behind them.

use super::{
    matmul::{Input, Product, Store, matmul},
    ops,
    pool::Pool,
    quantize::QuantizedActivations,
    weight::Buf,
};
use crate::tensor::Weight;

/// Computes `y += bias` for each token's row of `y`, where there is a bias.
pub(super) fn add_bias(pool: &Pool, y: &mut [f32], bias: Option<&Weight<Buf>>) {
    if let Some(bias) = bias {
        ops::add_bias(pool, y, bias.vector());
    }
}

/// Returns `x` normed in `h`, or `x` itself without a norm.
pub(super) fn normed<'a>(
    pool: &Pool,
    norm: Option<&Weight<Buf>>,
    eps: f32,
    x: &'a [f32],
    h: &'a mut Vec<f32>,
) -> &'a [f32] {
    let Some(norm) = norm else { return x };
    h.resize(x.len(), 0.0);
    ops::rms_norm(pool, x, norm.vector(), eps, h);
    h
}

/// Computes `y = w x` for each of several matrices that read the same `x [tokens, cols]`.
pub(super) fn project<const N: usize>(
    pool: &Pool,
    x: &[f32],
    tokens: usize,
    quantized: &mut QuantizedActivations,
    products: [(&Weight<Buf>, &mut Vec<f32>, Store); N],
) {
    if let Some((w, ..)) = products
        .iter()
        .find(|(w, ..)| matches!(w.buf, Buf::Repacked(_)))
    {
        quantized.set(pool, x, w.cols);
    }
    let products = products.map(|(w, y, store)| {
        y.resize(tokens * w.rows, 0.0);
        Product::new(w, y, store)
    });
    let input = Input {
        tokens,
        x,
        quantized,
    };
    matmul(pool, &input, &products);
}
