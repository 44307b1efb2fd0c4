//! What only encoders need.

use super::{
    matmul::Store,
    ops,
    pool::Pool,
    projection::{Adapters, add_bias},
    step::Step,
    weight::Buf,
};
use crate::{backend::Activation, tensor::Weight};

/// Computes `x += table[rows]`, whose row is that of each token's position, or the first.
pub(super) fn add_rows(step: &mut Step, table: &Weight<Buf>, are_of_positions: bool) {
    let mut row = vec![0.0; table.cols];
    for (i, x) in step.x.chunks_exact_mut(table.cols).enumerate() {
        let at = match are_of_positions {
            true => step.position + i,
            false => 0,
        };
        table.row(at, &mut row);
        x.iter_mut().zip(&row).for_each(|(x, row)| *x += row);
    }
}

/// Computes `a = activation(up x + bias)`.
pub(super) fn activate(
    pool: &Pool,
    adapters: &Adapters,
    step: &mut Step,
    up: &Weight<Buf>,
    bias: Option<&Weight<Buf>>,
    activation: Activation,
) {
    let products = [(up, &mut step.a, Store::Set)];
    adapters.project(pool, &step.x, step.tokens, &mut step.quantized, products);
    add_bias(pool, &mut step.a, bias);
    ops::activate(pool, activation, &mut step.a, up.rows);
}

/// Computes `pooled = w pooled`.
pub(super) fn dense(
    pool: &Pool,
    adapters: &Adapters,
    step: &mut Step,
    w: &Weight<Buf>,
    pooled: &mut Vec<f32>,
) {
    let mut product = Vec::new();
    let products = [(w, &mut product, Store::Set)];
    adapters.project(pool, pooled, 1, &mut step.quantized, products);
    *pooled = product;
}
