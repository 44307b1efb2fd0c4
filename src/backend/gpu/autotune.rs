//! Choices between kernels that only a measurement can make.

use super::{
    activations::Activations,
    context::Gpu,
    device::{MatmulStrategy, readback::Fence},
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
/// Products of a timed step where the browser is polled: more of them until the step is long
/// enough for its time to tell.
const POLLED: [usize; 4] = [16, 64, 256, 1600];
/// The looks of a polled browser that a step must take for its time to tell.
const POLLS: f64 = 2.0;
/// What a strategy must gain where the browser is polled, for times are coarse there.
const POLLED_GAIN: f64 = 1.25;
/// What a strategy must gain that rounds, as dots of bytes and tiles of f16 do.
const ROUNDED_GAIN: f64 = 1.1;
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
        let has_dots = self.device.features.packed
            && Layout::of(dtype).is_some_and(|layout| layout.has_bytes());
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
        if self.device.features.f16 {
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

    /// Returns how long a product takes by the fastest strategy, and which that is.
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
        if self.device.is_polled {
            self.polled(&mut trials).await
        } else {
            timed(&mut trials).await
        }
    }

    async fn polled(&self, trials: &mut [Trial]) -> Result<(f64, MatmulStrategy)> {
        let enough_ms = POLLS * self.device.resolution_ms();
        let mut fastest = (f64::INFINITY, MatmulStrategy::default());
        for trial in trials {
            trial.time_ms(TIMED[0]).await?;
            let (mut all_ms, mut product_ms) = (0.0, 0.0);
            for count in POLLED {
                all_ms = trial.time_ms(count).await?;
                product_ms = all_ms / count as f64;
                if all_ms >= enough_ms {
                    break;
                }
            }
            if trial.gain() * POLLED_GAIN * product_ms < fastest.0 {
                fastest = (product_ms, trial.strategy);
            }
            // Even the longest step is too short to tell two strategies apart.
            if all_ms < enough_ms {
                break;
            }
        }
        Ok(fastest)
    }
}

async fn timed(trials: &mut [Trial]) -> Result<(f64, MatmulStrategy)> {
    let [few, many] = TIMED;
    let mut best_ms = vec![[f64::INFINITY; 2]; trials.len()];
    for trial in &mut *trials {
        trial.time_ms(few).await?;
    }
    for _ in 0..ROUNDS {
        let least_ms = best_ms
            .iter()
            .fold(f64::INFINITY, |least_ms, [few_ms, _]| least_ms.min(*few_ms));
        let hopeless_ms = (HOPELESS * least_ms).max(HELD_UP_MS);
        for (trial, [few_ms, many_ms]) in trials.iter_mut().zip(&mut best_ms) {
            if *few_ms > hopeless_ms {
                continue;
            }
            *few_ms = few_ms.min(trial.time_ms(few).await?);
            if *few_ms < SLOW_MS * few as f64 {
                *many_ms = many_ms.min(trial.time_ms(many).await?);
            }
        }
    }
    let mut fastest = (f64::INFINITY, MatmulStrategy::default());
    for (trial, [few_ms, many_ms]) in trials.iter().zip(best_ms) {
        let product_ms = if many_ms.is_finite() {
            (many_ms - few_ms) / (many - few) as f64
        } else {
            few_ms / few as f64
        };
        if trial.gain() * product_ms < fastest.0 {
            fastest = (product_ms, trial.strategy);
        }
    }
    Ok(fastest)
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
            feed_forward: cols,
            vocab: 64,
            layers: 1,
        };
        let step = gpu.step(&dims, tokens)?;
        Ok(Self {
            strategy,
            gpu,
            step,
            weight,
        })
    }

    /// Returns how many times as fast this strategy must be to be taken.
    fn gain(&self) -> f64 {
        let rounded = if self.step.max_tokens > 1 {
            self.strategy.f16_tiles
        } else {
            self.strategy.int8_dot
        };
        if rounded { ROUNDED_GAIN } else { 1.0 }
    }

    /// Returns how long `count` products take.
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
            gpu.project_add(step, weight, None);
        }
        let submission = gpu.submit_with(step, |_| ());
        Fence::after(&gpu.device, submission)
            .wait(&gpu.device)
            .await?;
        Ok(host::now_ms() - start_ms)
    }
}
