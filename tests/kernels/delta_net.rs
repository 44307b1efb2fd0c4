//! Gated DeltaNets against plain loops in f64, by one thread and by several, however tokens come.

use super::support::{
    data::{Random, near},
    delta_rule::DeltaRule,
};
use siskin::backend::{
    DeltaDims,
    cpu::{
        delta_net::{DeltaInput, delta_rule},
        pool::Pool,
    },
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TOKENS: usize = 40;

#[test]
fn states_are_plain_loops_however_tokens_come() {
    let mut random = Random::new(14);
    for (taps, key_heads, value_heads, key_dim, value_dim) in
        [(4, 2, 4, 16, 16), (2, 1, 3, 20, 12), (1, 2, 2, 4, 33)]
    {
        let dims = DeltaDims {
            taps,
            key_heads,
            value_heads,
            key_dim,
            value_dim,
        };
        let mut numbers = |n: usize, low, high| -> Vec<f32> {
            (0..n).map(|_| random.within(low, high)).collect()
        };
        let (channels, values) = (dims.channels(), dims.values());
        let qkv = numbers(TOKENS * channels, -2.0, 2.0);
        let gate = numbers(TOKENS * values, -2.0, 2.0);
        let [beta, alpha] = [(); 2].map(|()| numbers(TOKENS * value_heads, -3.0, 3.0));
        let (dt, a) = (
            numbers(value_heads, -1.0, 1.0),
            numbers(value_heads, -2.0, -0.01),
        );
        let (conv, norm) = (
            numbers(channels * taps, -1.0, 1.0),
            numbers(value_dim, 0.5, 1.5),
        );
        let doubles = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
        let expected = DeltaRule {
            dims,
            qkv: &doubles(&qkv),
            gate: &doubles(&gate),
            beta: &doubles(&beta),
            alpha: &doubles(&alpha),
            dt: &dt,
            a: &a,
            conv: &conv,
            norm: &norm,
            eps: 1e-6,
        }
        .out();
        let mut whole: Option<(Vec<f32>, Vec<f32>)> = None;
        for (piece, threads) in [(TOKENS, 1), (1, 1), (2, 1), (7, 1), (33, 3)] {
            let pool = Pool::new(threads);
            let mut out = vec![f32::NAN; TOKENS * values];
            // What lies in the state that is replaced counts for nothing.
            let mut states = [(); 2].map(|()| vec![f32::NAN; dims.state()]);
            for (i, out) in out.chunks_mut(piece * values).enumerate() {
                let tokens = out.len() / values;
                let part =
                    |x: &'_ [f32], width: usize| x[i * piece * width..][..tokens * width].to_vec();
                let input = DeltaInput {
                    dims,
                    qkv: &part(&qkv, channels),
                    gate: &part(&gate, values),
                    beta: &part(&beta, value_heads),
                    alpha: &part(&alpha, value_heads),
                    dt: &dt,
                    a: &a,
                    conv: &conv,
                    out_norm: &norm,
                    eps: 1e-6,
                };
                let [from, to] = &mut states;
                delta_rule(&pool, &input, (i > 0).then_some(&**from), to, out);
                states.swap(0, 1);
            }
            let [state, _] = states;
            let (of_one, state_of_one) = whole.get_or_insert((out.clone(), state.clone()));
            assert!(
                *of_one == out && *state_of_one == state,
                "in pieces of {piece} by {threads} threads"
            );
        }
        let (out, _) = whole.expect("results");
        for (i, (&got, &expected)) in out.iter().zip(&expected).enumerate() {
            near(got, expected, 1e-4 * (1.0 + expected.abs()), &|| {
                format!("{dims:?}, {i}")
            });
        }
    }
}
