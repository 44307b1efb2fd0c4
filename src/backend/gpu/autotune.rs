//! Choices between kernels that only a measurement can make.

use super::{
    activations::Activations,
    context::Gpu,
    device::{MatmulStrategy, readback::Fence},
    stopwatch::{Timed, resolved_ms},
    weights::{Buf, repack::Layout},
};
use crate::{
    Result,
    backend::{Backend, Dims},
    host,
    quant::DType,
    tensor::Weight,
};

/// Products of a timed step, at first and at last: their difference is free of what a step costs
/// by itself.
const TIMED: [usize; 2] = [2, 10];
/// The most products of a timed step, where the timer is coarse.
const MAX_TIMED: usize = 1600;
/// A timer is too coarse to tell strategies apart whose differences would have to be longer.
const MAX_RESOLVED_MS: f64 = 250.0;
/// The rounds in which the strategies take turns. The best time of each counts, for other programs
/// can only slow one down.
const ROUNDS: usize = 3;
/// A product that takes longer needs neither the second count of [`TIMED`] nor a larger matrix: a
/// step's own cost is little beside it, and the card is a processor that plays one.
const SLOW_MS: f64 = 1.0;
/// A strategy that took so many times as long as the best gets no further try.
const HOPELESS: f64 = 1.5;
/// A strategy that took no longer than this may have been held up by another program.
const HELD_UP_MS: f64 = 20.0;
/// Columns of the matrix that is tried first: a block of 32 for each of the 32 lanes.
const FEW_COLS: usize = 1024;
/// The looks of a polled browser that a difference must take to tell.
const POLLS: f64 = 2.0;
/// What a strategy must gain where the browser is polled, for times are coarse there.
const POLLED_GAIN: f64 = 1.25;
/// What a strategy must gain that rounds, as dots of bytes and tiles of f16 do.
const ROUNDED_GAIN: f64 = 1.15;
/// Tokens of a product of many.
const BATCH_TOKENS: usize = 64;

/// A product that is multiplied by one strategy.
struct Trial {
    strategy: MatmulStrategy,
    gpu: Gpu,
    step: Activations,
    weight: Weight<Buf>,
}

impl Gpu {
    /// Finds how a matrix of this format and shape is best multiplied by one token, and by many,
    /// unless that was said when the device was opened.
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub async fn tune(&self, dtype: DType, rows: usize, cols: usize) -> Result<()> {
        if self.device.options.strategy.is_some() {
            return Ok(());
        }
        let features = self.device.features.get();
        // Apple's cards have no such instruction: dots of bytes are many of them there.
        let has_dots = features.packed && !self.device.is_apple && Layout::of(dtype).has_bytes();
        let few = cols.min(FEW_COLS);
        let mut fastest = MatmulStrategy::default();
        if has_dots {
            let kinds = [false, true].map(|int8_dot| MatmulStrategy {
                int8_dot,
                ..fastest
            });
            let product_ms;
            (product_ms, fastest) = self.fastest(&kinds, dtype, [rows, few], 1).await?;
            if product_ms < SLOW_MS && few < cols {
                (_, fastest) = self.fastest(&kinds, dtype, [rows, cols], 1).await?;
            }
        }
        if features.f16 {
            let kinds = [false, true].map(|f16_tiles| MatmulStrategy {
                f16_tiles,
                ..fastest
            });
            (_, fastest) = self
                .fastest(&kinds, dtype, [rows, few], BATCH_TOKENS)
                .await?;
        }
        self.device.strategy.set(fastest);
        Ok(())
    }

    /// Returns how long a product takes by the best strategy, and which that is: the first one,
    /// but for another that gains enough.
    async fn fastest(
        &self,
        kinds: &[MatmulStrategy],
        dtype: DType,
        shape: [usize; 2],
        tokens: usize,
    ) -> Result<(f64, MatmulStrategy)> {
        let trials = kinds
            .iter()
            .map(|&strategy| Trial::new(self.beside(), strategy, dtype, shape, tokens));
        let mut trials: Vec<Trial> = trials.collect::<Result<_>>()?;
        let enough_ms =
            resolved_ms(self.device.timer_step_ms).max(POLLS * self.device.resolution_ms());
        let polled_gain = if self.device.is_polled {
            POLLED_GAIN
        } else {
            1.0
        };
        let times_ms = products_ms(&mut trials, enough_ms).await?;
        let best = best(&times_ms, polled_gain * ROUNDED_GAIN);
        Ok((times_ms[best].unwrap_or(f64::INFINITY), kinds[best]))
    }
}

/// Returns which of some strategies to take by the times of their products. The others round, so
/// that they must be faster than the first one by `gain`.
fn best(times_ms: &[Option<f64>], gain: f64) -> usize {
    let mut best = (0, times_ms[0]);
    for (i, &time_ms) in times_ms.iter().enumerate().skip(1) {
        if let (Some(time_ms), Some(best_ms)) = (time_ms, best.1)
            && gain * time_ms < best_ms
        {
            best = (i, Some(time_ms));
        }
    }
    best.0
}

/// Returns how long a product takes in each of some trials, in milliseconds; `None` where no
/// difference of `enough_ms` or more tells.
async fn products_ms(trials: &mut [impl Timed], enough_ms: f64) -> Result<Vec<Option<f64>>> {
    let mut best_ms = vec![[f64::INFINITY; 2]; trials.len()];
    if enough_ms > MAX_RESOLVED_MS {
        return Ok(vec![None; trials.len()]);
    }
    let [few, mut many] = TIMED;
    let slow_ms = (SLOW_MS * few as f64).max(enough_ms);
    for trial in &mut *trials {
        trial.time_ms(few).await?;
    }
    // The first strategy tells how many products take long enough.
    if let Some(first) = trials.first_mut() {
        let few_ms = first.time_ms(few).await?;
        while few_ms < slow_ms
            && many < MAX_TIMED
            && first.time_ms(many).await? - few_ms < enough_ms
        {
            many = (4 * many).min(MAX_TIMED);
        }
    }
    for _ in 0..ROUNDS {
        let least_ms = best_ms
            .iter()
            .fold(f64::INFINITY, |least_ms, [few_ms, _]| least_ms.min(*few_ms));
        let hopeless_ms = (HOPELESS * least_ms).max(HELD_UP_MS).max(enough_ms);
        for (trial, [few_ms, many_ms]) in trials.iter_mut().zip(&mut best_ms) {
            if *few_ms > hopeless_ms {
                continue;
            }
            *few_ms = few_ms.min(trial.time_ms(few).await?);
            if *few_ms < slow_ms {
                *many_ms = many_ms.min(trial.time_ms(many).await?);
            }
        }
    }
    let product_ms = |[few_ms, many_ms]: [f64; 2]| {
        if few_ms >= slow_ms {
            return Some(few_ms / few as f64);
        }
        let more_ms = many_ms - few_ms;
        // A strategy that is faster than the first one may be so by half.
        let tells = more_ms > 0.0 && more_ms.is_finite() && more_ms >= 0.5 * enough_ms;
        tells.then(|| more_ms / (many - few) as f64)
    };
    Ok(best_ms.into_iter().map(product_ms).collect())
}

impl Trial {
    fn new(
        mut gpu: Gpu,
        strategy: MatmulStrategy,
        dtype: DType,
        [rows, cols]: [usize; 2],
        tokens: usize,
    ) -> Result<Self> {
        gpu.device.strategy.set(strategy);
        let weight = gpu.alloc(dtype, rows, cols)?;
        let dims = Dims {
            embedding: rows,
            heads: 1,
            kv_heads: 1,
            head_dim: 64,
            head_dims: Vec::new(),
            feed_forward: cols,
            vocab: 64,
            layers: 1,
            conv_layers: 0,
            delta: None,
            layer_input: 0,
        };
        let step = gpu.step(&dims, tokens)?;
        Ok(Self {
            strategy,
            gpu,
            step,
            weight,
        })
    }
}

impl Timed for Trial {
    async fn time_ms(&mut self, count: usize) -> Result<f64> {
        let Self {
            strategy,
            gpu,
            step,
            weight,
        } = self;
        gpu.device.strategy.set(*strategy);
        let start_ms = host::now_ms();
        gpu.begin_step(step, step.max_tokens, 0, 0);
        for _ in 0..count {
            gpu.project_add(step, weight, None, None);
        }
        let submission = gpu.submit_with(step, |_| ());
        Fence::after(&gpu.device, submission)
            .wait(&gpu.device)
            .await?;
        Ok(host::now_ms() - start_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::gpu::stopwatch::tests::Clock;

    /// A strategy whose products take so long, after what a step costs by itself.
    struct Fake {
        clock: Clock,
        product_ms: f64,
        /// How much longer the next samples take.
        held_up_ms: Vec<f64>,
    }

    impl Timed for Fake {
        async fn time_ms(&mut self, count: usize) -> Result<f64> {
            let held_up_ms = self.held_up_ms.pop().unwrap_or_default();
            Ok(self
                .clock
                .pass(0.7 + held_up_ms + self.product_ms * count as f64))
        }
    }

    /// Returns which of two strategies is taken by a timer of such steps.
    fn taken(step_ms: f64, products_of: [f64; 2], held_up_ms: &[f64]) -> usize {
        let clock = Clock::new(step_ms);
        let mut trials = products_of.map(|product_ms| Fake {
            clock: clock.clone(),
            product_ms,
            held_up_ms: Vec::new(),
        });
        trials[1].held_up_ms = held_up_ms.to_vec();
        let times_ms =
            pollster::block_on(products_ms(&mut trials, resolved_ms(step_ms))).expect("no device");
        best(&times_ms, ROUNDED_GAIN)
    }

    #[test]
    fn strategies_that_round_must_gain_by_any_timer() {
        for (step_ms, products_ms) in [
            (0.0, [0.02, 0.3]),
            (0.005, [0.02, 0.3]),
            (0.1, [0.02, 0.3]),
            (1.0, [0.02, 0.3]),
            (10.0, [0.2, 0.3]),
        ] {
            for product_ms in products_ms {
                let taken = |share: f64, held_up_ms: &[f64]| {
                    taken(step_ms, [product_ms, share * product_ms], held_up_ms)
                };
                assert_eq!(taken(0.5, &[]), 1, "{step_ms}, {product_ms}");
                assert_eq!(taken(0.78, &[]), 1, "{step_ms}, {product_ms}");
                assert_eq!(taken(0.95, &[]), 0, "{step_ms}, {product_ms}");
                assert_eq!(taken(1.5, &[]), 0, "{step_ms}, {product_ms}");
                // Its first three samples are late: what was compiled, and another program.
                assert_eq!(
                    taken(0.5, &[15.0, 15.0, 400.0]),
                    1,
                    "{step_ms}, {product_ms}"
                );
            }
        }
    }

    #[test]
    fn what_a_timer_cannot_tell_changes_nothing() {
        // Even the longest step is less than a step of the timer, or 20 of them are too long.
        assert_eq!(taken(10.0, [0.001, 0.0001], &[]), 0);
        assert_eq!(taken(100.0, [0.3, 0.1], &[]), 0);
        assert_eq!(best(&[None, Some(1.0)], 1.15), 0);
        assert_eq!(best(&[Some(1.0), None], 1.15), 0);
    }
}
