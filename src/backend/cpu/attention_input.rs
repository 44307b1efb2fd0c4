//! Queries, and the keys and values that go to the cache.

use super::{
    cache::Cache,
    matmul::Store,
    ops,
    pool::Pool,
    projection::{Adapters, add_bias, normed},
    step::Step,
    weight::Buf,
};
use crate::backend::AttentionInput;

/// Computes `q`, and stores keys and values, where the layer has its own.
pub(super) fn attention_input(
    pool: &Pool,
    adapters: &Adapters,
    step: &mut Step,
    cache: &mut Cache,
    layer: usize,
    w: &AttentionInput<Buf>,
) {
    let Step {
        dims,
        tokens,
        position,
        x,
        h,
        q,
        k,
        v,
        up,
        is_gated,
        quantized,
        rope,
        ..
    } = step;
    let h = normed(pool, w.norm, w.eps, x, h);
    let head_dim = cache.layer(layer).head_dim;
    *is_gated = w.q.rows > dims.heads * head_dim;
    let queries = if *is_gated { &mut *up } else { &mut *q };
    match (w.k, w.v) {
        (Some(w_k), Some(w_v)) => {
            let products = [
                (w.q, queries, Store::Set),
                (w_k, &mut *k, Store::Set),
                (w_v, &mut *v, Store::Set),
            ];
            adapters.project(pool, h, *tokens, quantized, products);
        }
        _ => {
            k.clear();
            v.clear();
            adapters.project(pool, h, *tokens, quantized, [(w.q, queries, Store::Set)]);
        }
    }
    if *is_gated {
        ops::queries(pool, up, head_dim, q);
    }
    for (y, bias, norm) in [
        (&mut *q, w.q_bias, w.q_norm),
        (&mut *k, w.k_bias, w.k_norm),
        (&mut *v, w.v_bias, w.v_norm),
    ] {
        add_bias(pool, y, bias);
        if let Some(norm) = norm {
            ops::rms_norm_in_place(pool, y, norm.vector(), w.eps);
        }
    }
    let rope = rope.table(w.rope, *position, *tokens);
    rope.apply(pool, q, dims.heads, head_dim);
    if w.k.is_some() {
        rope.apply(pool, k, dims.kv_heads, head_dim);
        cache.append(pool, layer, *position, k, v);
    }
}
