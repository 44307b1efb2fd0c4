//! The exponentials of a whole vocabulary are computed in vectors, for what samples on the host.
//!
//! Logits are taken in blocks. One whose largest logit has next to no weight is skipped: models are
//! mostly sure of a few tokens, and with a grammar almost all are forbidden.

use super::cpu::simd::{Exp, Kernel, ROUNDER, Simd, with_simd};

/// Weights are summed in blocks of this number, so that a draw finds its block before its token.
pub const BLOCK: usize = 256;

/// A token so far below the likeliest one counts as impossible. All of a vocabulary of 256,000 that
/// lie there have 2.4e-8 of the probability together, and a draw is a multiple of 6e-8.
const DEPTH: f32 = 30.0;

/// A histogram has this number of bins for logits that differ by 1: few enough for the first-level
/// cache, and enough that one bin holds few tokens.
const BINS_PER_UNIT: f32 = 64.0;
/// The bins up to [`DEPTH`], of which the last has all logits below it, and some that stay empty:
/// with a power of two no index is ever out of range.
const BINS: usize = 2048;

/// Computes `x = e^((x - max) / temperature)` for each of `logits`, and writes the sum of each
/// [`BLOCK`] of them to `sums`. What is below `least`, or has e^-30 of the likeliest one's
/// probability, weighs 0.
pub fn weights(logits: &mut [f32], max: f32, temperature: f32, least: f32, sums: &mut Vec<f64>) {
    let least = least.max(max - DEPTH * temperature);
    sums.clear();
    for x in logits.chunks_mut(BLOCK) {
        if largest(x) < least {
            x.fill(0.0);
            sums.push(0.0);
            continue;
        }
        for x in x.iter_mut() {
            *x = if *x < least { f32::NEG_INFINITY } else { *x };
        }
        sums.push(weigh(x, max, temperature));
    }
}

/// Returns the sum of `e^(x - max)` over `logits`.
pub fn sum_of_weights(logits: &[f32], max: f32) -> f64 {
    let mut block = [0f32; BLOCK];
    let block_sum = |logits: &[f32]| {
        let x = &mut block[..logits.len()];
        x.copy_from_slice(logits);
        weigh(x, max, 1.0)
    };
    likely_blocks(logits, max).map(block_sum).sum()
}

/// Holds the sums of `e^(x - max)` over logits that lie close together.
pub struct Histogram {
    max: f32,
    sums: [f64; BINS],
}

impl Histogram {
    /// Makes the histogram of `logits`, of which `max` is the largest.
    pub fn of(logits: &[f32], max: f32) -> Self {
        // Two additions to one bin would wait for each other, so that neighbours have bins of their
        // own.
        let mut sums = [[0.0; BINS]; 2];
        let mut x = [0f32; BLOCK];
        for logits in likely_blocks(logits, max) {
            let x = &mut x[..logits.len()];
            x.copy_from_slice(logits);
            weigh(x, max, 1.0);
            let bins = bins_of(logits, max);
            for (bins, x) in bins.chunks(2).zip(x.chunks(2)) {
                for ((sums, &bin), &x) in sums.iter_mut().zip(bins).zip(x) {
                    sums[bin as usize % BINS] += f64::from(x);
                }
            }
        }
        let [mut even, odd] = sums;
        even.iter_mut()
            .zip(odd)
            .for_each(|(even, odd)| *even += odd);
        Self { max, sums: even }
    }

    /// Returns the bin at which the weights, from the likeliest on, reach the share `p` of all of
    /// them, and what is left for it to reach. `None` if rounding keeps them from it.
    pub fn border(&self, p: f32) -> Option<(u32, f64)> {
        let mut left = self.sums.iter().sum::<f64>() * f64::from(p);
        for (bin, &sum) in (0u32..).zip(&self.sums) {
            if sum > 0.0 && left <= sum {
                return Some((bin, left));
            }
            left -= sum;
        }
        None
    }

    /// Calls `f` with the tokens in `bin` and their logits, in the order of the tokens.
    pub fn each_member(&self, logits: &[f32], bin: u32, mut f: impl FnMut(u32, f32)) {
        for (first, logits) in (0u32..).step_by(BLOCK).zip(logits.chunks(BLOCK)) {
            let bins = &bins_of(logits, self.max)[..logits.len()];
            // Most blocks have none, which is seen several at a time.
            if bins.iter().fold(false, |any, &b| any | (b == bin)) {
                let tokens = (first..).zip(logits).zip(bins);
                tokens
                    .filter(|&(_, &b)| b == bin)
                    .for_each(|((token, &logit), _)| f(token, logit));
            }
        }
    }
}

/// Returns the numbers of the bins of a block's logits. Bins are numbered from the largest logit
/// down.
fn bins_of(logits: &[f32], max: f32) -> [u32; BLOCK] {
    let mut bins = [0; BLOCK];
    for (bin, &logit) in bins.iter_mut().zip(logits) {
        let below = ((max - logit) * BINS_PER_UNIT).min(DEPTH * BINS_PER_UNIT);
        // The sum's low bits are the nearest integer: several at a time are made so.
        *bin = (below + ROUNDER).to_bits() - ROUNDER.to_bits();
    }
    bins
}

/// Returns the largest of `logits`, none of which is NaN; minus infinity if there are none.
pub fn largest(logits: &[f32]) -> f32 {
    let (lanes, rest) = logits.as_chunks::<16>();
    let mut max = [f32::NEG_INFINITY; 16];
    for lanes in lanes {
        for (max, &x) in max.iter_mut().zip(lanes) {
            *max = if x > *max { x } else { *max };
        }
    }
    max.iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |max, &x| max.max(x))
}

/// Yields the blocks of `logits` that have a logit within [`DEPTH`] of `max`.
fn likely_blocks(logits: &[f32], max: f32) -> impl Iterator<Item = &[f32]> {
    let likely = move |block: &&[f32]| largest(block) >= max - DEPTH;
    logits.chunks(BLOCK).filter(likely)
}

/// Computes `x = e^((x - max) / temperature)` in place; returns the sum.
fn weigh(x: &mut [f32], max: f32, temperature: f32) -> f64 {
    f64::from(with_simd(Weights {
        x,
        max,
        // Where a temperature has no reciprocal, only the largest logits weigh anything.
        scale: temperature.recip().min(f32::MAX),
    }))
}

struct Weights<'a> {
    x: &'a mut [f32],
    max: f32,
    scale: f32,
}

impl Kernel for Weights<'_> {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let (fours, rest) = self.x.as_chunks_mut::<4>();
        let mut last = [f32::NEG_INFINITY; 4];
        last[..rest.len()].copy_from_slice(rest);
        // SAFETY: `x` and `last` have four floats each, and the caller keeps the contract of `S`.
        let sum = unsafe {
            let exp = Exp::<S>::new(1.0);
            // `exp` holds its argument to at least -87, so that this leaves 0 there and changes
            // nothing elsewhere.
            let mut least = [0f32; 4];
            S::store(least.as_mut_ptr(), exp.of(S::splat(f32::NEG_INFINITY)));
            let (minus_least, minus_max) = (S::splat(-least[0]), S::splat(-self.max));
            let scale = S::splat(self.scale);
            let mut sum = S::splat(0.0);
            for x in fours.iter_mut().chain([&mut last]) {
                let scaled = S::mul(S::add(S::load_f32(x.as_ptr()), minus_max), scale);
                let weight = S::add(exp.of(scaled), minus_least);
                S::store(x.as_mut_ptr(), weight);
                sum = S::add(sum, weight);
            }
            S::horizontal_sum(sum)
        };
        rest.copy_from_slice(&last[..rest.len()]);
        sum
    }
}
