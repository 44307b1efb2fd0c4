//! The small steps: quantizing activations, norms, rotations, activations functions, and each vector operation against its plain loop.

use super::data::{Random, THOROUGH, activations, near};
use half::{bf16, f16};
use siskin::backend::{
    Rope, RopePairs,
    cpu::{
        ops::{add_bias, rms_norm, rope, silu_mul},
        quantized::{Plane, Quantized},
        simd::{Kernel, Scalar, Simd, exp, with_simd},
    },
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn check_sums(plane: &Plane) {
    for (sum, q) in plane.sum.iter().zip(plane.q.chunks_exact(16)) {
        assert_eq!(*sum, q.iter().map(|&q| i32::from(q)).sum::<i32>());
    }
    assert!(plane.q.iter().all(|&q| q != -128));
}

#[test]
fn activations_survive_quantizing() {
    let mut random = Random::new(3);
    let mut quantized = Quantized::default();
    let mut outliers = 0;
    for cols in [32, 96, 768] {
        // One buffer for all, so that what an earlier call left is noticed.
        for tokens in [9, 1, 4] {
            let x = activations(tokens, cols, &mut random);
            quantized.set(&x, cols);
            check_sums(&quantized.coarse);
            for token in 0..tokens {
                let scales = &quantized.fine.scale[token * cols / 32..(token + 1) * cols / 32];
                let listed: Vec<usize> = (0..cols / 32).filter(|&block| scales[block] != 0.0).collect();
                assert_eq!(quantized.outliers(token), listed);
            }
            for (i, &x) in x.iter().enumerate() {
                let (coarse, fine) = (&quantized.coarse, &quantized.fine);
                let first = coarse.scale[i / 32] * f32::from(coarse.q[i]);
                if fine.scale[i / 32] == 0.0 {
                    near(first, f64::from(x), f64::from(coarse.scale[i / 32]) * 0.5001, &|| format!("{x}"));
                } else {
                    let both = first + fine.scale[i / 32] * f32::from(fine.q[i]);
                    near(both, f64::from(x), f64::from(fine.scale[i / 32]) * 0.5001 + f64::from(x.abs()) * 1e-6, &|| format!("{x}"));
                    outliers += 1;
                }
            }
        }
    }
    assert!(outliers > 0, "some block has an outlier");
}

#[test]
fn extreme_activations_are_quantized() {
    let mut quantized = Quantized::default();
    for size in [0.0, -0.0, f32::from_bits(1), 1e-40, f32::MIN_POSITIVE, 1e-30, 1.0, 1e30, 3e38] {
        let x: Vec<f32> = (0..64).map(|i| if i % 3 == 0 { size } else { -size / (i as f32) }).collect();
        quantized.set(&x, 64);
        check_sums(&quantized.coarse);
        for (i, &x) in x.iter().enumerate() {
            let scale = quantized.coarse.scale[i / 32];
            assert!(scale.is_finite());
            // What is below 1e-36 counts as nothing.
            near(scale * f32::from(quantized.coarse.q[i]), f64::from(x), f64::from(scale) * 0.5001 + 1.6e-36, &|| format!("{x}"));
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
            rms_norm(&x, &weight, 1e-6, &mut y);
            for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact(cols)) {
                let mean = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / cols as f64;
                for (k, &y) in y.iter().enumerate() {
                    let expected = f64::from(x[k]) / (mean + f64::from(1e-6_f32)).sqrt() * f64::from(weight[k]);
                    near(y, expected, expected.abs() * 2e-6, &|| format!("{cols} columns of {size}"));
                }
            }
        }
    }
    let mut y = vec![1.0; 6];
    add_bias(&mut y, &[1.0, -2.0, 0.5]);
    assert_eq!(y, [2.0, -1.0, 1.5, 2.0, -1.0, 1.5]);
}

#[test]
fn rotations_equal_plain_arithmetic() {
    let mut random = Random::new(5);
    for pairs in [RopePairs::Adjacent, RopePairs::Halves] {
        for (head, rotated) in [(4, 4), (64, 64), (64, 48), (128, 128)] {
            for position in [0, 1, 1000, 30_000] {
                let frequencies: Vec<f32> = (0..rotated / 2).map(|i| 10_000_f32.powf(-2.0 * i as f32 / rotated as f32)).collect();
                let turn = Rope { pairs, frequencies: frequencies.clone() };
                let before: Vec<f32> = (0..2 * 3 * head).map(|_| random.within(-2.0, 2.0)).collect();
                let mut after = before.clone();
                rope(&mut after, 3, head, &turn, position);
                for (h, (before, after)) in before.chunks_exact(head).zip(after.chunks_exact(head)).enumerate() {
                    let mut expected: Vec<f64> = before.iter().map(|&x| f64::from(x)).collect();
                    // How far off an angle is, for it is an f32.
                    let mut blur = vec![0.0; head];
                    for (i, &frequency) in frequencies.iter().enumerate() {
                        let angle = (position + h / 3) as f64 * f64::from(frequency);
                        let (a, b) = if pairs == RopePairs::Adjacent { (2 * i, 2 * i + 1) } else { (i, i + rotated / 2) };
                        let (x, y) = (expected[a], expected[b]);
                        (expected[a], expected[b]) = (x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos());
                        (blur[a], blur[b]) = (angle * 6e-8, angle * 6e-8);
                    }
                    for k in 0..head {
                        near(after[k], expected[k], 3.0 * blur[k] + 1e-6, &|| format!("{pairs:?}, {rotated} of {head}, {position}, {k}"));
                    }
                    assert_eq!(before[rotated..], after[rotated..]);
                }
            }
        }
    }
}

#[test]
fn silu_equals_plain_arithmetic() {
    let gates: Vec<f32> = (-870..=870).map(|i| i as f32 / 10.0).chain([0.0, -0.0, 1e-30, 100.0, 1000.0]).collect();
    for cut in 0..4 {
        let gates = &gates[cut..];
        let ups: Vec<f32> = (0..gates.len()).map(|i| (i % 7) as f32 - 3.0).collect();
        let mut got = gates.to_vec();
        silu_mul(&mut got, &ups);
        for ((&got, &gate), &up) in got.iter().zip(gates).zip(&ups) {
            let expected = f64::from(gate) / (1.0 + (-f64::from(gate)).exp()) * f64::from(up);
            near(got, expected, expected.abs() * 1e-6, &|| format!("silu({gate}) * {up}"));
        }
    }
    let far = [-90.0, -1000.0, -1e10, -1e30, -100.0];
    let mut got = far;
    silu_mul(&mut got, &[1.0; 5]);
    assert!(got.iter().zip(far).all(|(got, gate)| got.abs() <= gate.abs() * 1e-37), "no gate so low lets anything through: {got:?}");
}

struct Exp([f32; 4]);

impl Kernel for Exp {
    type Output = [f32; 4];
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> [f32; 4] {
        let mut y = [0.0; 4];
        // SAFETY: four floats each; the caller's promise for S.
        unsafe { S::store(y.as_mut_ptr(), exp::<S>(S::load_f32(self.0.as_ptr()))) };
        y
    }
}

#[test]
fn exponentials_are_close() {
    let steps = if THOROUGH { 200_000 } else { 20_000 };
    for i in 0..steps {
        let x = -87.0 + 175.0 * i as f32 / steps as f32;
        // SAFETY: Scalar uses no special instruction.
        for y in [with_simd(Exp([x; 4])), unsafe { Exp([x; 4]).run::<Scalar>() }] {
            let expected = f64::from(x).exp();
            near(y[0], expected, expected * 2.4e-7, &|| format!("exp({x})"));
        }
    }
    let edges = with_simd(Exp([-1e30, -88.0, 0.0, 1e30]));
    assert!(edges[0] > 0.0 && edges[0] < 1.7e-38 && edges[1] == edges[0] && edges[2] == 1.0 && edges[3].is_finite(), "{edges:?}");
}

/// The result of every operation on the same operands, as bits.
struct Operations {
    bytes: [[u8; 16]; 2],
    /// Four at a time.
    signed: [i8; 16],
    floats: [[f32; 4]; 3],
    halves: [u16; 4],
    brain: [u16; 4],
}

impl Operations {
    fn random(random: &mut Random) -> Self {
        let extreme = random.below(3) == 0;
        let mut byte = || if extreme { [0, 0x7f, 0x80, 0xff][random.below(4)] } else { random.bits() as u8 };
        let bytes = [std::array::from_fn(|_| byte()), std::array::from_fn(|_| byte())];
        // What quantizing gives: never -128.
        let signed = std::array::from_fn(|_| (byte() as i8).max(-127));
        let mut float = || random.within(-100.0, 100.0);
        Self {
            bytes,
            signed,
            floats: std::array::from_fn(|_| std::array::from_fn(|_| float())),
            halves: std::array::from_fn(|_| f16::from_f32(float() * 1e-3).to_bits()),
            brain: std::array::from_fn(|_| bf16::from_f32(float()).to_bits()),
        }
    }
}

impl Kernel for &Operations {
    /// Name, lanes, and whether the last bit may differ.
    type Output = Vec<(&'static str, [f32; 4], bool)>;
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Self::Output {
        let mut results = Vec::new();
        // SAFETY: every pointer has what its operation reads; the caller's promise for S.
        unsafe {
            let mut keep = |name, v: S::F32, is_rounded| {
                let mut lanes = [0.0; 4];
                S::store(lanes.as_mut_ptr(), v);
                results.push((name, lanes, is_rounded));
            };
            let [w, planes] = self.bytes.map(|bytes| S::load(bytes.as_ptr()));
            let (low, high) = (S::low_nibbles(w), S::high_nibbles(w));
            // A product with unit vectors shows every byte.
            let operands = [
                ("low_nibbles", low),
                ("high_nibbles", high),
                ("add_high_bits<0, 1>", S::add_high_bits::<0, 1>(low, planes)),
                ("add_high_bits<1, 1>", S::add_high_bits::<1, 1>(low, planes)),
                ("add_high_bits<2, 1>", S::add_high_bits::<2, 1>(low, planes)),
                ("add_high_bits<3, 1>", S::add_high_bits::<3, 1>(high, planes)),
                ("add_high_bits<4, 1>", S::add_high_bits::<4, 1>(high, planes)),
                ("add_high_bits<5, 1>", S::add_high_bits::<5, 1>(high, planes)),
                ("add_high_bits<6, 1>", S::add_high_bits::<6, 1>(low, planes)),
                ("add_high_bits<7, 1>", S::add_high_bits::<7, 1>(low, planes)),
                ("add_high_bits<0, 3>", S::add_high_bits::<0, 3>(low, planes)),
                ("add_high_bits<2, 3>", S::add_high_bits::<2, 3>(low, planes)),
                ("add_high_bits<4, 3>", S::add_high_bits::<4, 3>(high, planes)),
                ("add_high_bits<6, 3>", S::add_high_bits::<6, 3>(high, planes)),
                ("seven bits", S::load(self.bytes[0].map(|byte| byte & 127).as_ptr())),
            ];
            for (name, operand) in operands {
                for unit in [[1_i8, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [127; 4], [-127; 4]] {
                    keep(name, S::finish7(S::dot7(S::zero7(), operand, unit.as_ptr()), -3), false);
                }
                let mut sum = S::zero7();
                for a in self.signed.chunks_exact(4) {
                    sum = S::dot7(sum, operand, a.as_ptr());
                }
                keep(name, S::finish7(sum, 1000), false);
            }
            let mut sum = S::zero8();
            for a in self.signed.chunks_exact(4) {
                sum = S::dot8(S::dot8(sum, w, a.as_ptr()), planes, a.as_ptr());
            }
            keep("dot8", S::finish8(sum), false);

            let [a, b, c] = self.floats.map(|floats| S::load_f32(floats.as_ptr()));
            let by_hand = S::splat(S::horizontal_sum(a));
            let n = S::round(S::mul(b, S::splat(0.5)));
            for (name, v, is_rounded) in [
                ("splat", S::splat(self.floats[0][0]), false),
                ("load_f16", S::load_f16(self.halves.as_ptr()), false),
                ("load_bf16", S::load_bf16(self.brain.as_ptr()), false),
                ("add", S::add(a, b), false),
                ("mul", S::mul(a, b), false),
                ("div", S::div(a, b), false),
                ("max", S::max(a, b), false),
                ("min", S::min(a, b), false),
                ("round", n, false),
                ("scale_by_power", S::scale_by_power(a, n), false),
                ("horizontal_sum", by_hand, false),
                ("mul_add", S::mul_add(a, b, c), true),
            ] {
                keep(name, v, is_rounded);
            }
        }
        results
    }
}

#[test]
fn vector_operations_equal_their_plain_loops() {
    let mut random = Random::new(6);
    for _ in 0..if THOROUGH { 2000 } else { 200 } {
        let operations = Operations::random(&mut random);
        // SAFETY: Scalar uses no special instruction.
        let plain = unsafe { operations.run::<Scalar>() };
        for ((name, got, is_rounded), (_, expected, _)) in with_simd(&operations).into_iter().zip(plain) {
            for (got, expected) in got.into_iter().zip(expected) {
                let bound = if is_rounded { 10_000.0 * 1.2e-7 } else { 0.0 };
                near(got, f64::from(expected), bound, &|| name.to_owned());
            }
        }
    }
}
