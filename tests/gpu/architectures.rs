//! The steps in which architectures differ from llama, against plain loops in f64 at ragged shapes.

use super::{
    harness::{DIMS, EPS, Harness, NORM_EPS, normed},
    support::data::{Matrix, near},
};
use siskin::{
    backend::{
        Activation, AttentionInput, Backend, CacheSize, Dims, FeedForward, LayerInputs, LmHead,
        LogitScale, PostNorm, Rope, RopePairs, Rows, ShortConv,
        gpu::{device::GpuOptions, weights::Buf},
    },
    quant::DType,
    tensor::Weight,
};

/// Steps of one token, of few, and of many.
const TOKENS: [usize; 4] = [1, 3, 8, 31];

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Makes a norm of so many columns, and returns it with its values.
fn norm(harness: &mut Harness, cols: usize) -> (Weight<Buf>, Vec<f32>) {
    let values: Vec<f32> = (0..cols).map(|_| harness.random.within(0.5, 1.5)).collect();
    let mut weight = harness.gpu.alloc(DType::F32, 1, cols).expect("memory");
    harness
        .gpu
        .write(&mut weight, 0, bytemuck::cast_slice(&values));
    (weight, values)
}

/// Rows of `x` as a norm of their length makes them, and how far off they may be.
fn normed_rows(x: &[(f64, f64)], norm: &[f32]) -> Vec<(f64, f64)> {
    let rows = x.chunks_exact(norm.len()).flat_map(|x| {
        let mean = x.iter().map(|(x, _)| x * x).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + f64::from(NORM_EPS)).sqrt();
        let blur = x
            .iter()
            .map(|(_, bound)| bound)
            .fold(0.0, |a: f64, &b| a.max(b));
        x.iter().zip(norm).map(move |(&(x, bound), &norm)| {
            let value = x * scale * f64::from(norm);
            let relative = scale * blur * 2.0 + 64.0 * EPS;
            (
                value,
                bound * scale * f64::from(norm) + value.abs() * relative,
            )
        })
    });
    rows.collect()
}

pub async fn embeddings_are_scaled(options: GpuOptions) {
    let Some(mut harness) = Harness::new(options, &DIMS).await else {
        return;
    };
    for (rows, cols) in [(2, 32), (31, 96), (257, 512)] {
        for tokens in TOKENS {
            let table = harness.matrix(DType::Q5_1, rows, cols);
            let ids: Vec<u32> = (0..tokens)
                .map(|_| harness.random.below(rows) as u32)
                .collect();
            let Harness { gpu, step, .. } = &mut harness;
            gpu.embed(step, &table.weight, 25.298, &ids, 0);
            harness.tap(|step| &step.x);
            let x = &harness.taps().await[0];
            for (i, &got) in x[..tokens * cols].iter().enumerate() {
                let at = ids[i / cols] as usize * cols + i % cols;
                let bound = 25.3 * (f64::from(table.sizes[at]) * 6.0 * EPS + 1e-6);
                near(got, f64::from(table.values[at]) * 25.298, bound, &|| {
                    format!("{rows} x {cols}, {at}")
                });
            }
        }
    }
}

/// GELU, and networks whose input is not normed.
pub async fn feed_forward_networks_differ(options: GpuOptions) {
    let Some(mut harness) = Harness::new(options, &DIMS).await else {
        return;
    };
    for (rows, cols) in [(2, 32), (31, 96), (257, 512)] {
        for tokens in TOKENS {
            for is_normed in [true, false] {
                // A recording is found again by its weights.
                let [gate, up] = [(); 2].map(|()| harness.matrix(DType::Q8_0, rows, cols));
                let x = harness.begin(tokens, cols, 0);
                let Harness {
                    gpu, step, norm, ..
                } = &mut harness;
                let input = FeedForward {
                    norm: is_normed.then_some(&norm.0),
                    gate: &gate.weight,
                    up: &up.weight,
                    gate_bias: None,
                    up_bias: None,
                    activation: Activation::Gelu,
                    eps: NORM_EPS,
                };
                gpu.feed_forward(step, &input);
                harness.tap(|step| &step.a);
                let a = &harness.taps().await[0];
                let h = match is_normed {
                    true => normed(&x, cols, &harness.norm.1),
                    false => doubles(&x),
                };
                let results = harness
                    .product(&gate, &h)
                    .into_iter()
                    .zip(harness.product(&up, &h));
                for (i, ((g, g_bound), (u, u_bound))) in results.enumerate() {
                    let inner = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3));
                    let gelu = 0.5 * g * (1.0 + inner.tanh());
                    let bound = 1.2 * g_bound * (u.abs() + u_bound)
                        + gelu.abs() * u_bound
                        + 2e-5 * (g * u).abs()
                        + 1e-6;
                    near(a[i], gelu * u, bound, &|| {
                        format!("{rows} x {cols}, {tokens} tokens, {is_normed}, {i}")
                    });
                }
            }
        }
    }
}

pub async fn norms_behind_products(options: GpuOptions) {
    for (rows, cols) in [(32, 32), (96, 64), (640, 512)] {
        let Some(mut harness) = Harness::new(options, &DIMS).await else {
            return;
        };
        // Norms are there before the first step.
        let post = norm(&mut harness, rows);
        for tokens in TOKENS {
            let [gate, up] = [(); 2].map(|()| harness.matrix(DType::F32, cols, rows));
            let w = harness.matrix(DType::F32, rows, cols);
            harness.begin(tokens, rows, 0);
            harness.feed_forward([&gate.weight, &up.weight], [false; 2]);
            harness.tap(|step| &step.a);
            harness.tap(|step| &step.x);
            let Harness { gpu, step, .. } = &mut harness;
            let with = PostNorm {
                norm: &post.0,
                eps: NORM_EPS,
                scale: 0.75,
            };
            gpu.project_add(step, &w.weight, None, Some(&with));
            harness.tap(|step| &step.x);
            let [a, before, after] = &harness.taps().await[..] else {
                panic!("three taps")
            };
            let products = harness.product(&w, &doubles(&a[..tokens * cols]));
            let expected = normed_rows(&products, &post.1);
            for (i, (expected, bound)) in expected.into_iter().enumerate() {
                let expected = 0.75 * (expected + f64::from(before[i]));
                near(
                    after[i],
                    expected,
                    bound + 2.0 * EPS * expected.abs() + 1e-6,
                    &|| format!("{rows} x {cols}, {tokens} tokens, {i}"),
                );
            }
        }
    }
}

/// Norms of queries, of a head or of all together, with and without one before. Those of keys are
/// the same kernel.
pub async fn norms_of_queries_and_keys(options: GpuOptions) {
    for (head_dim, heads) in [(8, 5), (48, 2), (128, 4)] {
        let dims = Dims {
            heads,
            kv_heads: 1,
            head_dim,
            ..DIMS
        };
        let Some(mut harness) = Harness::new(options, &dims).await else {
            return;
        };
        // Norms are there before the first step.
        let q_norms = [head_dim, head_dim * heads].map(|cols| norm(&mut harness, cols));
        let k_norm = norm(&mut harness, head_dim);
        let mut cache = harness
            .gpu
            .cache(&dims, &CacheSize::whole(dims.layers, 64))
            .expect("memory");
        // Without frequencies nothing is rotated.
        let rope = Rope {
            pairs: RopePairs::Halves,
            frequencies: [].into(),
            scale: 1.0,
        };
        for (q_norm, is_normed) in [(&q_norms[0], true), (&q_norms[1], false)] {
            for tokens in TOKENS {
                let weights = [heads, 1, 1].map(|heads| {
                    let rows = heads * head_dim;
                    Matrix::random(&mut harness.gpu, DType::Q8_0, rows, 96, &mut harness.random)
                });
                let x = harness.begin(tokens, 96, 0);
                let Harness {
                    gpu, step, norm, ..
                } = &mut harness;
                let input = AttentionInput {
                    norm: is_normed.then_some(&norm.0),
                    q: &weights[0].weight,
                    k: Some(&weights[1].weight),
                    v: Some(&weights[2].weight),
                    q_bias: None,
                    k_bias: None,
                    v_bias: None,
                    q_norm: Some(&q_norm.0),
                    k_norm: Some(&k_norm.0),
                    v_norm: None,
                    rope: &rope,
                    eps: NORM_EPS,
                };
                gpu.attention_input(step, &mut cache, 0, &input);
                harness.tap(|step| &step.q);
                let q = &harness.taps().await[0];
                let h = match is_normed {
                    true => normed(&x, 96, &harness.norm.1),
                    false => doubles(&x),
                };
                let products = harness.product(&weights[0], &h);
                let expected = normed_rows(&products, &q_norm.1);
                for (i, (expected, bound)) in expected.into_iter().enumerate() {
                    near(q[i], expected, bound + 1e-6, &|| {
                        format!("{heads} heads of {head_dim}, {tokens} tokens, {i}")
                    });
                }
            }
        }
    }
}

/// What layers take beside the residual stream: embeddings of their own, with a projection that is
/// normed for each layer, and the gate of it.
pub async fn inputs_of_layers(options: GpuOptions) {
    for (layers, input, embedding) in [(1, 32, 32), (3, 64, 96), (5, 96, 416)] {
        let dims = Dims {
            embedding,
            layers,
            layer_input: input,
            ..DIMS
        };
        let Some(mut harness) = Harness::new(options, &dims).await else {
            return;
        };
        let (norm, factors) = norm(&mut harness, input);
        let width = layers * input;
        let proj = harness.matrix(DType::Q8_0, width, embedding);
        for tokens in TOKENS {
            // A recording is found again by its weights.
            let gates: Vec<_> = (0..layers)
                .map(|_| harness.matrix(DType::Q8_0, input, embedding))
                .collect();
            let x = harness.begin(tokens, embedding, 0);
            let own: Vec<f32> = (0..tokens * width)
                .map(|_| harness.random.within(-1.0, 1.0))
                .collect();
            let w = LayerInputs {
                proj: &proj.weight,
                norm: &norm,
                eps: NORM_EPS,
            };
            harness.gpu.layer_inputs(&mut harness.step, &w, &own);
            for (layer, gate) in gates.iter().enumerate() {
                let Harness { gpu, step, .. } = &mut harness;
                gpu.gate_layer_input(step, layer, &gate.weight, Activation::Gelu);
                harness.tap(|step| &step.a);
            }
            let taps = harness.taps().await;
            let products = harness.product(&proj, &doubles(&x));
            let inputs = normed_rows(&products, &factors);
            for (layer, (gate, a)) in gates.iter().zip(&taps).enumerate() {
                let gated = harness.product(gate, &doubles(&x));
                for (i, (g, g_bound)) in gated.into_iter().enumerate() {
                    let at = i / input * width + layer * input + i % input;
                    let (value, bound) = inputs[at];
                    let value = value + f64::from(own[at]);
                    let inner = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3));
                    let gelu = 0.5 * g * (1.0 + inner.tanh());
                    let bound = 1.2 * g_bound * (value.abs() + bound)
                        + gelu.abs() * bound
                        + 2e-5 * (g * value).abs()
                        + 1e-6;
                    near(a[i], gelu * value, bound, &|| {
                        format!("{layers} layers of {input}, {tokens} tokens, {layer}, {i}")
                    });
                }
            }
        }
    }
}

/// Steps of one token, of few and of many come one after the other, so that each sees what the cache
/// kept of those before it.
pub async fn short_convolutions(options: GpuOptions) {
    for (embedding, taps, is_normed) in [(96, 3, true), (32, 4, false), (416, 2, true)] {
        let dims = Dims {
            embedding,
            layers: 2,
            conv_layers: 2,
            delta: None,
            ..DIMS
        };
        let Some(mut harness) = Harness::new(options, &dims).await else {
            return;
        };
        let (conv, factors) = norm(&mut harness, embedding * taps);
        let mut cache = harness
            .gpu
            .cache(&dims, &CacheSize::whole(dims.layers, 64))
            .expect("memory");
        let in_proj = harness.matrix(DType::Q8_0, 3 * embedding, embedding);
        // What was convolved at each position, with how far off it may be.
        let mut inputs: Vec<Vec<(f64, f64)>> = Vec::new();
        for tokens in TOKENS {
            let x = harness.begin(tokens, embedding, inputs.len());
            let Harness {
                gpu, step, norm, ..
            } = &mut harness;
            let input = ShortConv {
                norm: is_normed.then_some(&norm.0),
                in_proj: &in_proj.weight,
                conv: &conv,
                eps: NORM_EPS,
            };
            gpu.short_conv(step, &mut cache, 1, &input);
            harness.tap(|step| &step.a);
            let a = &harness.taps().await[0];
            let h = match is_normed {
                true => normed(&x, embedding, &harness.norm.1),
                false => doubles(&x),
            };
            let bcu = harness.product(&in_proj, &h);
            for (t, bcu) in bcu.chunks_exact(3 * embedding).enumerate() {
                let (b, u) = (&bcu[..embedding], &bcu[2 * embedding..]);
                let products = b.iter().zip(u).map(|(&b, &u)| {
                    let (value, bound) = times(b, u);
                    (value, bound + value.abs() / 2048.0 + 3e-8)
                });
                inputs.push(products.collect());
                for (d, &c) in bcu[embedding..2 * embedding].iter().enumerate() {
                    let last = inputs.iter().rev().take(taps);
                    let sum = last.zip((0..taps).rev()).map(|(input, tap)| {
                        times(input[d], (f64::from(factors[d * taps + tap]), 0.0))
                    });
                    let sum = sum.fold((0.0, 0.0), |(x, xb), (y, yb)| (x + y, xb + yb));
                    let (expected, bound) = times(c, sum);
                    near(a[t * embedding + d], expected, bound + 1e-6, &|| {
                        format!("{embedding} channels, {taps} taps, {tokens} tokens, {t}, {d}")
                    });
                }
            }
        }
    }
}

/// Returns the product of two numbers that may be off.
fn times((x, x_bound): (f64, f64), (y, y_bound): (f64, f64)) -> (f64, f64) {
    let bound = x.abs() * y_bound + y.abs() * x_bound + x_bound * y_bound;
    (x * y, bound + 8.0 * EPS * (x * y).abs())
}

pub async fn logits_are_scaled_and_bounded(options: GpuOptions) {
    for vocab in [2, 31, 257, 2112] {
        let dims = Dims { vocab, ..DIMS };
        let Some(mut harness) = Harness::new(options, &dims).await else {
            return;
        };
        for (scale, softcap) in [(0.125, 0.0), (1.0, 3.0), (0.5, 1.0)] {
            for (tokens, rows) in [
                (1, Rows::Last),
                (3, Rows::All),
                (31, Rows::All),
                (9, Rows::Last),
            ] {
                let output = harness.matrix(DType::Q8_0, vocab, 96);
                let x = harness.begin(tokens, 96, 0);
                let Harness {
                    gpu, step, norm, ..
                } = &mut harness;
                let input = LmHead {
                    norm: &norm.0,
                    output: &output.weight,
                    bias: None,
                    eps: NORM_EPS,
                    scale: LogitScale { scale, softcap },
                };
                gpu.lm_head(step, &input, rows);
                let mut logits = Vec::new();
                gpu.read(step, &mut logits).await.expect("the device works");
                let x = match rows {
                    Rows::All => &x[..],
                    _ => &x[(tokens - 1) * 96..],
                };
                let products = harness.product(&output, &normed(x, 96, &harness.norm.1));
                for (i, (product, bound)) in products.into_iter().enumerate() {
                    let (scale, softcap) = (f64::from(scale), f64::from(softcap));
                    let expected = match softcap {
                        0.0 => scale * product,
                        softcap => softcap * (scale * product / softcap).tanh(),
                    };
                    near(logits[i], expected, scale * bound + 1e-5, &|| {
                        format!("{vocab} logits of {tokens} tokens, {scale}, {softcap}, {i}")
                    });
                }
            }
        }
    }
}
