//! Products of weights and activations, with what stands before and behind them, and what LoRA
//! adapters add to them and to rows that are looked up.

use super::{
    matmul::{Input, Product, Store, matmul},
    ops,
    pool::Pool,
    quantize::QuantizedActivations,
    weight::Buf,
};
use crate::tensor::{LowRank, Weight};

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

/// Tells how strong each adapter is.
#[derive(Default)]
pub struct Adapters {
    /// Holds the scale of each adapter by its number; those beyond the end have none.
    pub(super) scales: Vec<f32>,
}

impl Adapters {
    /// Computes `y = w x` for each of several matrices that read the same `x [tokens, cols]`, as
    /// adapters change them.
    pub(super) fn project<const N: usize>(
        &self,
        pool: &Pool,
        x: &[f32],
        tokens: usize,
        quantized: &mut QuantizedActivations,
        mut products: [(&Weight<Buf>, &mut Vec<f32>, Store); N],
    ) {
        if let Some((w, ..)) = products
            .iter()
            .find(|(w, ..)| matches!(w.buf, Buf::Repacked(_)))
        {
            quantized.set(pool, x, w.cols);
        }
        let input = Input {
            tokens,
            x,
            quantized,
        };
        let of_weights = products.each_mut().map(|(w, y, store)| {
            y.resize(tokens * w.rows, 0.0);
            Product::new(w, y, *store)
        });
        matmul(pool, &input, &of_weights);
        for (w, y, _) in products {
            self.add_products(pool, w, &input, y);
        }
    }

    /// Iterates over what changes `w` where it is looked up, or where it is not, with its scale.
    fn changes<'a>(
        &self,
        w: &'a Weight<Buf>,
        is_lookup: bool,
    ) -> impl Iterator<Item = (&'a LowRank<Buf>, f32)> {
        let of_kind = w.changes.iter().filter(move |it| it.is_lookup == is_lookup);
        of_kind.filter_map(|it| {
            let scale = self.scales.get(it.adapter).copied();
            scale.filter(|&scale| scale != 0.0).map(|scale| (it, scale))
        })
    }

    /// Computes `y += scale * left (right x)` for each change of `w`, in that order: the inner
    /// product is short, for it has a number of each rank alone.
    fn add_products(&self, pool: &Pool, w: &Weight<Buf>, input: &Input, y: &mut [f32]) {
        for (LowRank { left, right, .. }, scale) in self.changes(w, false) {
            let mut inner = vec![0.0; input.tokens * right.rows];
            matmul(pool, input, &[Product::new(right, &mut inner, Store::Set)]);
            inner.iter_mut().for_each(|x| *x *= scale);
            let input = Input {
                x: &inner,
                ..*input
            };
            matmul(pool, &input, &[Product::new(left, y, Store::Add)]);
        }
    }

    /// Computes `x += scale * left[row] right` for each change of the table `w`.
    pub(super) fn add_rows(&self, w: &Weight<Buf>, row: usize, x: &mut [f32]) {
        for (LowRank { left, right, .. }, scale) in self.changes(w, true) {
            let (mut factors, mut mixed) = (vec![0.0; left.cols], vec![0.0; right.cols]);
            left.row(row, &mut factors);
            for (k, factor) in factors.into_iter().enumerate() {
                right.row(k, &mut mixed);
                for (x, &mixed) in x.iter_mut().zip(&mixed) {
                    *x += scale * factor * mixed;
                }
            }
        }
    }
}
