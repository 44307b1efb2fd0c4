//! What layers take beside the residual stream.

use super::{matmul::Store, ops, pool::Pool, projection::Adapters, step::Step, weight::Buf};
use crate::{
    backend::{Activation, LayerInputs},
    tensor::Weight,
};

/// Computes `i = tokens + rms_norm(proj x) * norm`.
pub(super) fn add(
    pool: &Pool,
    adapters: &Adapters,
    step: &mut Step,
    w: &LayerInputs<Buf>,
    tokens: &[f32],
) {
    let inputs = &mut step.inputs;
    let products = [(w.proj, &mut *inputs, Store::Set)];
    adapters.project(pool, &step.x, step.tokens, &mut step.quantized, products);
    ops::rms_norm_in_place(pool, inputs, w.norm.vector(), w.eps);
    ops::add(pool, inputs, tokens, w.proj.rows);
}

/// Computes `a = activation(gate x) * i[layer]`.
pub(super) fn gate(
    pool: &Pool,
    adapters: &Adapters,
    step: &mut Step,
    layer: usize,
    gate: &Weight<Buf>,
    activation: Activation,
) {
    let width = gate.rows;
    let products = [(gate, &mut step.a, Store::Set)];
    adapters.project(pool, &step.x, step.tokens, &mut step.quantized, products);
    step.up.clear();
    for inputs in step.inputs.chunks_exact(step.dims.layer_inputs()) {
        step.up.extend_from_slice(&inputs[layer * width..][..width]);
    }
    ops::activate_mul(pool, activation, &mut step.a, &step.up, width);
}
