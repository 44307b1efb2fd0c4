//! Each vector operation is compared with its plain loop.

use super::support::data::{Random, THOROUGH, near};
use half::{bf16, f16};
use siskin::backend::cpu::simd::{
    F16_MASK, Kernel, ROUNDER, Scalar, Simd, room, with_dots, with_simd,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Holds the operands of a kernel that runs every vector operation.
struct Operations {
    bytes: [[u8; 16]; 2],
    /// Holds activations, of which the operations take four at a time.
    signed: [i8; 16],
    floats: [[f32; 4]; 3],
    halves: [u16; 4],
    brain: [u16; 4],
}

impl Operations {
    fn random(random: &mut Random) -> Self {
        let extreme = random.below(3) == 0;
        let mut byte = || {
            if extreme {
                [0, 0x7f, 0x80, 0xff][random.below(4)]
            } else {
                random.bits() as u8
            }
        };
        let bytes = [
            std::array::from_fn(|_| byte()),
            std::array::from_fn(|_| byte()),
        ];
        // Quantized activations are never -128.
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
    /// Holds the results: the operation's name, its lanes, and whether the last bit may differ.
    type Output = Vec<(&'static str, [f32; 4], bool)>;
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Self::Output {
        let mut results = Vec::new();
        // SAFETY: every pointer has what its operation reads, and the caller keeps the contract of
        // `S`.
        unsafe {
            let mut keep = |name, v: S::F32, is_rounded| {
                let mut lanes = [0.0; 4];
                S::store(lanes.as_mut_ptr(), v);
                results.push((name, lanes, is_rounded));
            };
            let [w, planes] = self.bytes.map(|bytes| S::load(bytes.as_ptr()));
            let mask = |byte: u8| S::mask(u32::from_ne_bytes([byte; 4]));
            let seven = S::bits::<0>(w, mask(127));
            let dot = |sum, w, a| S::end7(sum, S::dot7(S::begin7(sum), w, a));
            // A part has room for as many of the largest products as it says.
            for (name, bits) in [("room of 4", 4), ("of 5", 5), ("of 6", 6), ("of 7", 7)] {
                for a in [[127; 4], [-127; 4]] {
                    let mut part = S::begin7(S::zero7());
                    for _ in 0..room::<S>(bits) {
                        part = S::dot7(part, mask((1 << bits) - 1), S::four(a.as_ptr()));
                    }
                    let sums = S::finish7(S::end7(S::zero7(), part));
                    let one = 4 * i32::from(a[0]) * ((1 << bits) - 1);
                    let scale = S::splat(1.0 / (one * room::<S>(bits) as i32) as f32);
                    keep(name, S::mul(sums, scale), false);
                }
            }
            // A dot product with each unit vector shows every byte.
            let operands = [
                ("bits<0, 3>", S::bits::<0>(w, mask(3))),
                ("bits<2, 3>", S::bits::<2>(w, mask(3))),
                ("bits<4, 3>", S::bits::<4>(w, mask(3))),
                ("bits<0, 7>", S::bits::<0>(w, mask(7))),
                ("bits<3, 7>", S::bits::<3>(w, mask(7))),
                ("bits<4, 4>", S::bits::<4>(w, mask(4))),
                ("bits<5, 4>", S::bits::<5>(w, mask(4))),
                ("bits<0, 15>", S::bits::<0>(w, mask(15))),
                ("bits<4, 15>", S::bits::<4>(w, mask(15))),
                ("bits<0, 31>", S::bits::<0>(w, mask(31))),
                ("bits<5, 7>", S::bits::<5>(w, mask(7))),
                ("bits<2, 24>", S::bits::<2>(w, mask(24))),
                ("bits<4, 8>", S::bits::<4>(w, mask(8))),
                ("bits<3, 16>", S::bits::<3>(w, mask(16))),
                ("bits<0, 63>", S::bits::<0>(w, mask(63))),
                ("bits<6, 3>", S::bits::<6>(w, mask(3))),
                ("bits<4, 12>", S::bits::<4>(w, mask(12))),
                ("bits<2, 48>", S::bits::<2>(w, mask(48))),
                ("bits<0, 1>", S::bits::<0>(w, mask(1))),
                ("bits<1, 127>", S::bits::<1>(w, mask(127))),
                (
                    "or",
                    S::or(S::bits::<0>(w, mask(15)), S::bits::<0>(planes, mask(127))),
                ),
                ("unsign", S::bits::<1>(S::unsign(w), mask(127))),
                ("seven bits", seven),
            ];
            for (name, operand) in operands {
                for unit in [
                    [1_i8, 0, 0, 0],
                    [0, 1, 0, 0],
                    [0, 0, 1, 0],
                    [0, 0, 0, 1],
                    [127; 4],
                    [-127; 4],
                ] {
                    keep(
                        name,
                        S::finish7(dot(S::start7::<3>(&-3), operand, S::four(unit.as_ptr()))),
                        false,
                    );
                }
                let mut sum = S::start7::<0>(&1000);
                for a in self.signed.chunks_exact(4) {
                    sum = S::shift7::<1>(dot(sum, operand, S::four(a.as_ptr())));
                }
                keep(name, S::finish7(sum), false);
                let mut bytes = [0; 16];
                S::store_bytes(bytes.as_mut_ptr(), operand);
                keep(
                    "store_bytes",
                    S::finish7(dot(
                        S::zero7(),
                        S::load(bytes.as_ptr()),
                        S::four([1; 4].as_ptr()),
                    )),
                    false,
                );
            }
            let mut sum = S::zero8();
            for a in self.signed.chunks_exact(4) {
                let a = S::four8(a.as_ptr());
                sum = S::dot8(S::dot8(sum, w, a), planes, a);
            }
            keep("dot8", S::finish8(sum), false);

            let [a, b, c] = self.floats.map(|floats| S::load_f32(floats.as_ptr()));
            let mut q = [0; 16];
            let total = S::store_i8(q.as_mut_ptr(), [a, b, c, S::splat(-0.5)]);
            for (name, values) in ["store_i8, 0", "store_i8, 1", "store_i8, 2", "store_i8, 3"]
                .into_iter()
                .zip(q.as_chunks::<4>().0)
            {
                keep(name, S::load_f32(values.map(f32::from).as_ptr()), false);
            }
            keep("store_i8, sum", S::splat(total as f32), false);
            let by_hand = S::splat(S::horizontal_sum(a));
            let n = S::add(S::mul(b, S::splat(0.5)), S::splat(ROUNDER));
            for (name, v, is_rounded) in [
                ("splat", S::splat(self.floats[0][0]), false),
                ("load_f16", S::load_f16(self.halves.as_ptr()), false),
                (
                    "load_f16_part",
                    S::mul(
                        S::load_f16_part(self.halves.as_ptr(), S::mask(F16_MASK)),
                        S::splat(S::F16_REST),
                    ),
                    false,
                ),
                ("load_bf16", S::load_bf16(self.brain.as_ptr()), false),
                ("add", S::add(a, b), false),
                ("mul", S::mul(a, b), false),
                ("div", S::div(a, b), false),
                ("max", S::max(a, b), false),
                ("min", S::min(a, b), false),
                ("rounded", S::add(n, S::splat(-ROUNDER)), false),
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
        let both = [with_simd(&operations), with_dots(&operations)];
        for ((name, got, is_rounded), (_, expected, _)) in both
            .into_iter()
            .flat_map(|results| results.into_iter().zip(plain.clone()))
        {
            for (got, expected) in got.into_iter().zip(expected) {
                let bound = if is_rounded { 10_000.0 * 1.2e-7 } else { 0.0 };
                near(got, f64::from(expected), bound, &|| name.to_owned());
            }
        }
    }
}
