//! The exponentials of a whole vocabulary are computed in vectors, for what samples on the host.

use super::cpu::simd::{Exp, Kernel, Simd, with_simd};

/// Weights are summed in blocks of this number, so that a draw finds its block before its token.
pub const BLOCK: usize = 256;

/// The exponential of numbers below this one counts as 0.
const MIN: f32 = -87.0;

/// Computes `x = e^((x - max) / temperature)` for each of `logits`, and writes the sum of each
/// [`BLOCK`] of them to `sums`. What is below e^-87 becomes 0.
pub fn weights(logits: &mut [f32], max: f32, temperature: f32, sums: &mut Vec<f64>) {
    sums.clear();
    for x in logits.chunks_mut(BLOCK) {
        with_simd(Weights {
            x: &mut *x,
            max,
            temperature,
        });
        sums.push(sum(x));
    }
}

/// Returns the sum of `e^(x - max)` over `logits`.
pub fn sum_of_weights(logits: &[f32], max: f32) -> f64 {
    let mut block = [0f32; BLOCK];
    let block_sum = |logits: &[f32]| {
        let x = &mut block[..logits.len()];
        x.copy_from_slice(logits);
        with_simd(Weights {
            x: &mut *x,
            max,
            temperature: 1.0,
        });
        sum(x)
    };
    logits.chunks(BLOCK).map(block_sum).sum()
}

/// Returns the largest of `logits`, none of which is NaN; minus infinity if there are none.
pub fn largest(logits: &[f32]) -> f32 {
    let (lanes, rest) = logits.as_chunks::<8>();
    let mut max = [f32::NEG_INFINITY; 8];
    for lanes in lanes {
        for (max, &x) in max.iter_mut().zip(lanes) {
            *max = if x > *max { x } else { *max };
        }
    }
    max.iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |max, &x| max.max(x))
}

/// Returns the sum of `x` in f64. Several sums are under way together, for each addition waits for
/// the one before it.
fn sum(x: &[f32]) -> f64 {
    let (lanes, rest) = x.as_chunks::<8>();
    let mut sums = [0f64; 8];
    for lanes in lanes {
        for (sum, &x) in sums.iter_mut().zip(lanes) {
            *sum += f64::from(x);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x)).sum::<f64>()
}

struct Weights<'a> {
    x: &'a mut [f32],
    max: f32,
    temperature: f32,
}

impl Kernel for Weights<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (fours, rest) = self.x.as_chunks_mut::<4>();
        let mut last = [f32::NEG_INFINITY; 4];
        last[..rest.len()].copy_from_slice(rest);
        // SAFETY: `x` and `last` have four floats each, and the caller keeps the contract of `S`.
        unsafe {
            let exp = Exp::<S>::new(1.0);
            // `exp` holds its argument to `MIN`, so that this leaves 0 there and changes nothing
            // elsewhere.
            let mut least = [0f32; 4];
            S::store(least.as_mut_ptr(), exp.of(S::splat(MIN)));
            let (minus_least, minus_max) = (S::splat(-least[0]), S::splat(-self.max));
            let temperature = S::splat(self.temperature);
            for x in fours.iter_mut().chain([&mut last]) {
                let scaled = S::div(S::add(S::load_f32(x.as_ptr()), minus_max), temperature);
                S::store(x.as_mut_ptr(), S::add(exp.of(scaled), minus_least));
            }
        }
        rest.copy_from_slice(&last[..rest.len()]);
    }
}
