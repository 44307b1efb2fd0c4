//! The small operations are compared with plain arithmetic: quantizing activations, norms, rotary
//! embeddings, activation functions and exponentials.

use super::support::data::{Random, THOROUGH, activations, near};
use siskin::backend::{
    Activation, LogitScale, Rope, RopePairs,
    cpu::{
        ops::{
            RopeTable, activate, activate_mul, add, add_bias, layer_norm, rms_norm,
            rms_norm_in_place, scale_logits,
        },
        pool::Pool,
        quantize::{BlockQ8, QuantizedActivations},
        simd::{Exp, Kernel, Scalar, Simd, with_simd},
    },
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check_sums(blocks: &[BlockQ8]) {
    for block in blocks {
        let sums: Vec<i32> = block
            .q
            .chunks_exact(16)
            .map(|q| q.iter().map(|&q| i32::from(q)).sum())
            .collect();
        assert_eq!(
            (block.minus_halves, block.minus),
            ([-sums[0], -sums[1]], -sums[0] - sums[1])
        );
        assert!(block.q.iter().all(|&q| q != -128));
    }
}

#[test]
fn activations_survive_quantizing() {
    let mut random = Random::new(3);
    let mut quantized = QuantizedActivations::default();
    let mut outliers = 0;
    for cols in [32, 96, 768] {
        // One buffer serves all shapes, so that what an earlier call left is noticed.
        for tokens in [9, 1, 4] {
            let x = activations(tokens, cols, &mut random);
            quantized.set(&Pool::default(), &x, cols);
            let mut seen = 0;
            for tile in (0..quantized.tiles()).map(|tile| quantized.tile(tile)) {
                assert_eq!(
                    (tile.first, tile.tokens, tile.width),
                    (
                        seen,
                        (tokens - seen).min(4),
                        if tokens == 1 { 1 } else { 4 }
                    )
                );
                check_sums(tile.coarse);
                let listed: Vec<u32> = (0..cols as u32 / 32)
                    .filter(|&b| {
                        tile.fine[b as usize * tile.width..][..tile.width]
                            .iter()
                            .any(|block| block.scale != 0.0)
                    })
                    .collect();
                assert_eq!(tile.outliers, listed);
                for t in 0..tile.tokens {
                    for col in 0..cols {
                        let at = col / 32 * tile.width + t;
                        let (x, first, fine) = (
                            x[(seen + t) * cols + col],
                            tile.coarse[at].scale,
                            tile.fine[at].scale,
                        );
                        let (coarse, rest) = quantized.value(seen + t, col);
                        if fine == 0.0 {
                            near(
                                coarse as f32,
                                f64::from(x),
                                f64::from(first) * 0.5001,
                                &|| format!("{x}"),
                            );
                        } else {
                            let bound = f64::from(fine) * 0.5001 + f64::from(x.abs()) * 1e-6;
                            near((coarse + rest) as f32, f64::from(x), bound, &|| {
                                format!("{x}")
                            });
                            outliers += 1;
                        }
                    }
                }
                seen += tile.tokens;
            }
            assert_eq!(seen, tokens);
        }
    }
    assert!(outliers > 0, "some block has an outlier");
}

#[test]
fn extreme_activations_are_quantized() {
    let mut quantized = QuantizedActivations::default();
    for size in [
        0.0,
        -0.0,
        f32::from_bits(1),
        1e-40,
        f32::MIN_POSITIVE,
        1e-30,
        1.0,
        1e30,
        3e38,
    ] {
        let x: Vec<f32> = (0..64)
            .map(|i| if i % 3 == 0 { size } else { -size / (i as f32) })
            .collect();
        quantized.set(&Pool::default(), &x, 64);
        let tile = quantized.tile(0);
        check_sums(tile.coarse);
        for (i, &x) in x.iter().enumerate() {
            let scale = tile.coarse[i / 32].scale;
            assert!(scale.is_finite());
            // A block of numbers below 127 times f32's smallest normal number, 1.5e-36, becomes
            // zeros.
            near(
                quantized.value(0, i).0 as f32,
                f64::from(x),
                f64::from(scale) * 0.5001 + 1.6e-36,
                &|| format!("{x}"),
            );
        }
    }
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [0, 5, 63] {
            let x: Vec<f32> = (0..64).map(|i| if i == at { bad } else { 1.0 }).collect();
            quantized.set(&Pool::default(), &x, 64);
            assert!(
                !quantized.tile(0).coarse[at / 32].scale.is_finite(),
                "{bad} at {at} must not look like a number"
            );
        }
    }
}

#[test]
fn norms_equal_plain_arithmetic() {
    let mut random = Random::new(4);
    for cols in [1, 4, 7, 33, 256, 2048] {
        for size in [1e-6, 1.0, 1e4] {
            let x: Vec<f32> = (0..3 * cols).map(|_| random.within(-size, size)).collect();
            let weight: Vec<f32> = (0..cols).map(|_| random.within(-2.0, 2.0)).collect();
            let mut y = vec![f32::NAN; x.len()];
            rms_norm(&Pool::default(), &x, &weight, 1e-6, &mut y);
            let mut in_place = x.clone();
            rms_norm_in_place(&Pool::default(), &mut in_place, &weight, 1e-6);
            assert_eq!(in_place, y);
            for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact(cols)) {
                let mean = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / cols as f64;
                for (k, &y) in y.iter().enumerate() {
                    let expected = f64::from(x[k]) / (mean + f64::from(1e-6_f32)).sqrt()
                        * f64::from(weight[k]);
                    near(y, expected, expected.abs() * 2e-6, &|| {
                        format!("{cols} columns of {size}")
                    });
                }
            }
        }
    }
    let mut y = vec![1.0; 6];
    add_bias(&Pool::default(), &mut y, &[1.0, -2.0, 0.5]);
    assert_eq!(y, [2.0, -1.0, 1.5, 2.0, -1.0, 1.5]);
    add(&Pool::default(), &mut y, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3);
    assert_eq!(y, [3.0, 1.0, 4.5, 6.0, 4.0, 7.5]);
}

#[test]
fn layer_norms_equal_plain_arithmetic() {
    let mut random = Random::new(14);
    for cols in [4, 33, 384, 1024] {
        let rows: Vec<f32> = (0..3 * cols).map(|_| random.within(-2.0, 5.0)).collect();
        let [weight, bias] = [(); 2].map(|()| {
            let values = (0..cols).map(|_| random.within(-2.0, 2.0));
            values.collect::<Vec<f32>>()
        });
        let mut y = rows.clone();
        layer_norm(&Pool::default(), &mut y, &weight, &bias, 1e-12);
        for (x, y) in rows.chunks_exact(cols).zip(y.chunks_exact(cols)) {
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let mean = x.iter().sum::<f64>() / cols as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / cols as f64;
            for (k, &y) in y.iter().enumerate() {
                let normed = (x[k] - mean) / (variance + 1e-12).sqrt();
                let expected = normed * f64::from(weight[k]) + f64::from(bias[k]);
                near(y, expected, 1e-5, &|| format!("{cols} columns"));
            }
        }
    }
}

#[test]
fn rotations_equal_plain_arithmetic() {
    let mut random = Random::new(5);
    for pairs in [RopePairs::Adjacent, RopePairs::Halves] {
        for (head, rotated) in [(4, 4), (64, 64), (64, 48), (128, 128)] {
            for position in [0, 1, 1000, 30_000] {
                let frequencies: Vec<f32> = (0..rotated / 2)
                    .map(|i| 10_000_f32.powf(-2.0 * i as f32 / rotated as f32))
                    .collect();
                let turn = Rope {
                    pairs,
                    frequencies: frequencies.clone().into(),
                    scale: 1.0,
                };
                let before: Vec<f32> = (0..2 * 3 * head)
                    .map(|_| random.within(-2.0, 2.0))
                    .collect();
                let mut after = before.clone();
                let mut table = RopeTable::default();
                // What was made for other positions does not stay.
                table.set(&turn, position + 1, 2);
                table.set(&turn, position, 2);
                table.apply(&Pool::default(), &mut after, 3, head);
                for (h, (before, after)) in before
                    .chunks_exact(head)
                    .zip(after.chunks_exact(head))
                    .enumerate()
                {
                    let mut expected: Vec<f64> = before.iter().map(|&x| f64::from(x)).collect();
                    // An angle is an f32, so that of each element has this error.
                    let mut blur = vec![0.0; head];
                    for (i, &frequency) in frequencies.iter().enumerate() {
                        let angle = (position + h / 3) as f64 * f64::from(frequency);
                        let (a, b) = if pairs == RopePairs::Adjacent {
                            (2 * i, 2 * i + 1)
                        } else {
                            (i, i + rotated / 2)
                        };
                        let (x, y) = (expected[a], expected[b]);
                        (expected[a], expected[b]) = (
                            x * angle.cos() - y * angle.sin(),
                            x * angle.sin() + y * angle.cos(),
                        );
                        (blur[a], blur[b]) = (angle * 6e-8, angle * 6e-8);
                    }
                    for k in 0..head {
                        near(after[k], expected[k], 3.0 * blur[k] + 1e-6, &|| {
                            format!("{pairs:?}, {rotated} of {head}, {position}, {k}")
                        });
                    }
                    assert_eq!(before[rotated..], after[rotated..]);
                }
            }
        }
    }
}

#[test]
fn silu_equals_plain_arithmetic() {
    let gates: Vec<f32> = (-870..=870)
        .map(|i| i as f32 / 10.0)
        .chain([0.0, -0.0, 1e-30, 100.0, 1000.0])
        .collect();
    for cut in 0..4 {
        let gates = &gates[cut..];
        let ups: Vec<f32> = (0..gates.len()).map(|i| (i % 7) as f32 - 3.0).collect();
        let mut got = gates.to_vec();
        activate_mul(
            &Pool::default(),
            Activation::Silu,
            &mut got,
            &ups,
            gates.len(),
        );
        for ((&got, &gate), &up) in got.iter().zip(gates).zip(&ups) {
            let expected = f64::from(gate) / (1.0 + (-f64::from(gate)).exp()) * f64::from(up);
            near(got, expected, expected.abs() * 1e-6, &|| {
                format!("silu({gate}) * {up}")
            });
        }
    }
    let far = [-90.0, -1000.0, -1e10, -1e30, -100.0];
    let mut got = far;
    activate_mul(&Pool::default(), Activation::Silu, &mut got, &[1.0; 5], 5);
    assert!(
        got.iter()
            .zip(far)
            .all(|(got, gate)| got.abs() <= gate.abs() * 1e-37),
        "no gate so low lets anything through: {got:?}"
    );
}

#[test]
fn gelu_is_the_approximation_by_a_hyperbolic_tangent() {
    let gates: Vec<f32> = (-300..=300)
        .map(|i| i as f32 / 20.0)
        .chain([0.0, -0.0, 1e-30, 100.0, 1e4, -100.0, -1e4])
        .collect();
    for cut in 0..4 {
        let gates = &gates[cut..];
        let ups: Vec<f32> = (0..gates.len()).map(|i| (i % 7) as f32 - 3.0).collect();
        let mut got = gates.to_vec();
        let pool = Pool::default();
        activate_mul(&pool, Activation::Gelu, &mut got, &ups, gates.len());
        for ((&got, &gate), &up) in got.iter().zip(gates).zip(&ups) {
            let (x, up) = (f64::from(gate), f64::from(up));
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            let expected = 0.5 * x * (1.0 + inner.tanh()) * up;
            // Where next to nothing comes through, the exponent's own rounding counts.
            near(
                got,
                expected,
                expected.abs() * 1e-6 + x.abs().min(10.0) * 3e-6,
                &|| format!("gelu({gate}) * {up}"),
            );
        }
    }
}

#[test]
fn logits_are_scaled_and_bounded() {
    let values: Vec<f32> = (-400..=400).map(|i| i as f32 / 4.0).collect();
    for (scale, softcap) in [(1.0, 0.0), (0.125, 0.0), (1.0, 30.0), (0.5, 3.0)] {
        let mut got = values.clone();
        let by = LogitScale { scale, softcap };
        scale_logits(&Pool::default(), by, &mut got, values.len());
        for (&got, &value) in got.iter().zip(&values) {
            let (scaled, softcap) = (f64::from(scale * value), f64::from(softcap));
            let expected = match softcap {
                0.0 => scaled,
                softcap => softcap * (scaled / softcap).tanh(),
            };
            near(got, expected, 1e-6 * softcap, &|| {
                format!("{value} by {scale} within {softcap}")
            });
        }
    }
}

/// Each row is computed for itself, so that neither threads nor other tokens change a bit.
#[test]
fn rows_together_are_rows_alone() {
    let mut random = Random::new(9);
    let pools: &[usize] = if cfg!(target_arch = "wasm32") {
        &[1]
    } else {
        &[1, 2, 3, 5]
    };
    let pools: Vec<Pool> = pools.iter().map(|&threads| Pool::new(threads)).collect();
    for cols in [4, 6, 33, 256, 1030] {
        let weight: Vec<f32> = (0..cols).map(|_| random.within(-2.0, 2.0)).collect();
        let rope = Rope {
            pairs: RopePairs::Halves,
            frequencies: vec![1.0, 0.3].into(),
            scale: 1.0,
        };
        let run = |pool: &Pool, x: &[f32], position: usize| {
            let mut table = RopeTable::default();
            table.set(&rope, position, x.len() / cols);
            let mut y = [(); 4].map(|()| x.to_vec());
            rms_norm(pool, x, &weight, 1e-6, &mut y[0]);
            add_bias(pool, &mut y[1], &weight);
            activate_mul(pool, Activation::Silu, &mut y[2], x, cols);
            table.apply(pool, &mut y[3], 1, cols);
            y
        };
        for tokens in [1, 2, 7, 64] {
            let x: Vec<f32> = (0..tokens * cols)
                .map(|_| random.within(-9.0, 9.0))
                .collect();
            for pool in &pools {
                let together = run(pool, &x, 5);
                for (t, x) in x.chunks_exact(cols).enumerate() {
                    for (together, alone) in together.iter().zip(run(&pools[0], x, 5 + t)) {
                        assert!(
                            together[t * cols..][..cols] == alone,
                            "{} threads, token {t} of {tokens}, {cols} columns",
                            pool.threads()
                        );
                    }
                }
            }
        }
    }
}

struct FourExp {
    factor: f32,
    x: [f32; 4],
}

impl Kernel for FourExp {
    type Output = [f32; 4];
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> [f32; 4] {
        let mut y = [0.0; 4];
        // SAFETY: `x` and `y` have four floats, and the caller keeps the contract of `S`.
        unsafe {
            S::store(
                y.as_mut_ptr(),
                Exp::<S>::new(self.factor).of(S::load_f32(self.x.as_ptr())),
            )
        };
        y
    }
}

#[test]
fn exponentials_are_close() {
    let steps = if THOROUGH { 200_000 } else { 20_000 };
    for i in 0..steps {
        let x = -87.0 + 175.0 * i as f32 / steps as f32;
        for (factor, most) in [(1.0, 88.0), (112_f32.exp2(), 10.0)] {
            let (x, kernel) = (x.min(most), || FourExp {
                factor,
                x: [x.min(most); 4],
            });
            // SAFETY: Scalar uses no special instruction.
            for y in [with_simd(kernel()), unsafe { kernel().run::<Scalar>() }] {
                let expected = f64::from(factor) * f64::from(x).exp();
                near(y[0], expected, expected * 2.4e-7, &|| {
                    format!("{factor} exp({x})")
                });
            }
        }
    }
    let edges = with_simd(FourExp {
        factor: 1.0,
        x: [-1e30, -88.0, 0.0, 1e30],
    });
    assert!(
        edges[0] > 0.0
            && edges[0] < 1.7e-38
            && edges[1] == edges[0]
            && edges[2] == 1.0
            && edges[3].is_finite(),
        "{edges:?}"
    );
}

/// Without a gate nothing else is multiplied.
#[test]
fn activations_alone_are_those_of_a_gate_of_ones() {
    for activation in [Activation::Silu, Activation::Gelu] {
        for cols in [1, 4, 11] {
            let x: Vec<f32> = (0..3 * cols).map(|i| i as f32 / 4.0 - 3.0).collect();
            let (mut got, mut expected) = (x.clone(), x);
            let ones = vec![1.0; expected.len()];
            activate(&Pool::default(), activation, &mut got, cols);
            activate_mul(&Pool::default(), activation, &mut expected, &ones, cols);
            assert_eq!(got, expected);
        }
    }
}
