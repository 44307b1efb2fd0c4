//! Gated DeltaNets and attention's gates on the graphics card, against plain loops in f64.

use super::{
    harness::{DIMS, Harness, NORM_EPS, normed},
    support::{data::near, delta_rule::DeltaRule},
};
use siskin::{
    backend::{
        Backend, CacheSize, DeltaDims, DeltaNet, Dims, StateEntries,
        gpu::{device::GpuOptions, weights::Buf},
    },
    quant::DType,
    tensor::Weight,
};

/// Makes a vector of so many columns, and returns it with its values.
fn vector(harness: &mut Harness, cols: usize, low: f32, high: f32) -> (Weight<Buf>, Vec<f32>) {
    let values: Vec<f32> = (0..cols)
        .map(|_| harness.random.within(low, high))
        .collect();
    let mut weight = harness.gpu.alloc(DType::F32, 1, cols).expect("memory");
    let bytes = bytemuck::cast_slice(&values);
    harness.gpu.write(&mut weight, 0, bytes);
    (weight, values)
}

/// Steps of one token, of few and of many come one after the other, each from the state that the one
/// before left.
pub async fn states_go_on(options: GpuOptions) {
    for (taps, key_heads, value_heads, key_dim, value_dim) in
        [(4, 2, 4, 16, 16), (2, 1, 3, 24, 32), (3, 1, 2, 128, 128)]
    {
        let delta = DeltaDims {
            taps,
            key_heads,
            value_heads,
            key_dim,
            value_dim,
        };
        let dims = Dims {
            embedding: 96,
            layers: 2,
            conv_layers: 2,
            delta: Some(delta),
            ..DIMS
        };
        let Some(mut harness) = Harness::new(options, &dims).await else {
            return;
        };
        let (channels, values) = (delta.channels(), delta.values());
        let conv = vector(&mut harness, channels * taps, -1.0, 1.0);
        let dt = vector(&mut harness, value_heads, -1.0, 1.0);
        let a = vector(&mut harness, value_heads, -2.0, -0.01);
        let out_norm = vector(&mut harness, value_dim, 0.5, 1.5);
        let weights = [channels, values, value_heads, value_heads]
            .map(|rows| harness.matrix(DType::F32, rows, 96));
        let size = CacheSize {
            context_tokens: 64,
            layers: vec![4; 2],
        };
        let mut cache = harness.gpu.cache(&dims, &size).expect("memory");
        let mut inputs = [(); 4].map(|()| Vec::new());
        let mut position = 0;
        for (i, tokens) in [1, 3, 8, 31, 1, 2].into_iter().enumerate() {
            let x = harness.begin(tokens, 96, position);
            let Harness {
                gpu, step, norm, ..
            } = &mut harness;
            let [qkv, gate, beta, alpha] = &weights;
            let input = DeltaNet {
                norm: Some(&norm.0),
                qkv: &qkv.weight,
                gate: &gate.weight,
                beta: &beta.weight,
                alpha: &alpha.weight,
                dt: &dt.0,
                a: &a.0,
                conv: &conv.0,
                out_norm: &out_norm.0,
                eps: NORM_EPS,
            };
            let entries = StateEntries {
                from: (i > 0).then_some((i + 2) % 4),
                to: (i + 3) % 4,
            };
            gpu.delta_net(step, &mut cache, 1, entries, &input);
            harness.tap(|step| &step.a);
            let got = &harness.taps().await[0];
            let h = normed(&x, 96, &harness.norm.1);
            for (inputs, weight) in inputs.iter_mut().zip(&weights) {
                let products = harness.product(weight, &h);
                inputs.extend(products.iter().map(|product| product.0));
            }
            let [qkv, gate, beta, alpha] = &inputs;
            let expected = DeltaRule {
                dims: delta,
                qkv,
                gate,
                beta,
                alpha,
                dt: &dt.1,
                a: &a.1,
                conv: &conv.1,
                norm: &out_norm.1,
                eps: NORM_EPS,
            }
            .out();
            for (i, &expected) in expected[position * values..].iter().enumerate() {
                near(got[i], expected, 1e-3 * (1.0 + expected.abs()), &|| {
                    format!("{delta:?}, {tokens} tokens, {i}")
                });
            }
            position += tokens;
        }
    }
}
