//! Choices between kernels that only a measurement can make.

use super::{Buf, Gpu, Step, device::Products, segment::Layout, waiting::Fence};
use crate::{
    Result,
    backend::{Backend, Widths},
    host,
    quant::DType,
    tensor::Weight,
};

/// Products of a timed step, at first and at last: what lies between is free of what a step costs by itself.
const TIMED: [usize; 2] = [2, 10];
/// The kinds take turns, and the best time of each counts: other programs can only slow one down.
const ROUNDS: usize = 3;
/// Products that take longer need no such care: a step's own cost is nothing beside them.
const SLOW_MS: f64 = 4.0;
/// Where the end of a step is only looked for now and then, a step of so many is timed once, or of more where they are that fast.
const POLLED: [usize; 2] = [80, 1600];
/// What takes fewer looks than this is too fast for the time to tell.
const POLLS: f64 = 2.0;
/// What else must be gained there, for times are coarse.
const POLLED_GAIN: f64 = 1.25;
/// Dots of bytes round activations, if little, so that they must be worth it.
const DOTS_GAIN: f64 = 1.1;

/// A product done in one of the ways.
struct Trial {
    products: Products,
    gpu: Gpu,
    step: Step,
    weight: Weight<Buf>,
}

impl Gpu {
    /// Finds how a matrix of this kind is best multiplied by one token, unless that was said when the device was opened. Errors: those of
    /// the device.
    pub async fn tune(&self, dtype: DType, rows: usize, cols: usize) -> Result<()> {
        if self.device.options.products.is_some() {
            return Ok(());
        }
        let has_dots = self.device.tier.packed && Layout::of(dtype).is_some_and(|layout| layout.has_bytes());
        let mut trials = Vec::new();
        for products in [(false, false), (true, false), (false, true), (true, true)].map(|(alone, dots)| Products { alone, dots }) {
            if has_dots || !products.dots {
                trials.push(Trial::new(self.beside(), products, dtype, rows, cols)?);
            }
        }
        let fastest = if self.device.is_polled() { self.polled(&mut trials).await? } else { timed(&mut trials).await? };
        self.device.products.set(fastest);
        Ok(())
    }

    async fn polled(&self, trials: &mut [Trial]) -> Result<Products> {
        let [few, many] = POLLED;
        let enough_ms = POLLS * self.device.latency_ms;
        let mut fastest = (f64::INFINITY, Products::default());
        for trial in trials {
            trial.time_ms(TIMED[0]).await?;
            let mut product_ms = trial.time_ms(few).await? / few as f64;
            if product_ms * (few as f64) < enough_ms {
                product_ms = trial.time_ms(many).await? / many as f64;
            }
            if trial.gain() * POLLED_GAIN * product_ms < fastest.0 {
                fastest = (product_ms, trial.products);
            }
            // Nothing tells any two apart.
            if product_ms * (many as f64) < enough_ms {
                break;
            }
        }
        Ok(fastest.1)
    }
}

async fn timed(trials: &mut [Trial]) -> Result<Products> {
    let [few, many] = TIMED;
    let mut best_ms = vec![[f64::INFINITY; 2]; trials.len()];
    for trial in &mut *trials {
        trial.time_ms(few).await?;
    }
    for _ in 0..ROUNDS {
        for (trial, [few_ms, many_ms]) in trials.iter_mut().zip(&mut best_ms) {
            *few_ms = few_ms.min(trial.time_ms(few).await?);
            if *few_ms < SLOW_MS * few as f64 {
                *many_ms = many_ms.min(trial.time_ms(many).await?);
            }
        }
    }
    let mut fastest = (f64::INFINITY, Products::default());
    for (trial, [few_ms, many_ms]) in trials.iter().zip(best_ms) {
        let product_ms = if many_ms.is_finite() { (many_ms - few_ms) / (many - few) as f64 } else { few_ms / few as f64 };
        if trial.gain() * product_ms < fastest.0 {
            fastest = (product_ms, trial.products);
        }
    }
    Ok(fastest.1)
}

impl Trial {
    fn new(mut gpu: Gpu, products: Products, dtype: DType, rows: usize, cols: usize) -> Result<Self> {
        let weight = gpu.alloc(dtype, rows, cols)?;
        let widths = Widths { embedding: rows, heads: 1, kv_heads: 1, head: 64, feed_forward: cols, vocab: 64, blocks: 1 };
        let step = gpu.step(&widths, 1)?;
        Ok(Self { products, gpu, step, weight })
    }

    /// How many times as fast this must be to be taken.
    fn gain(&self) -> f64 {
        if self.products.dots { DOTS_GAIN } else { 1.0 }
    }

    /// How long one token takes by the matrix, so many times.
    async fn time_ms(&mut self, count: usize) -> Result<f64> {
        let Self { products, gpu, step, weight } = self;
        gpu.device.products.set(*products);
        let start_ms = host::now_ms();
        gpu.begin_at(step, 1, 0, 0);
        for _ in 0..count {
            gpu.project_add(step, weight);
        }
        let submission = gpu.submit_with(step, |_| ());
        Fence::after(&gpu.device, submission).wait(&gpu.device).await?;
        Ok(host::now_ms() - start_ms)
    }
}
