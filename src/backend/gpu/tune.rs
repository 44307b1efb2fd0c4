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
const ROUNDS: usize = 2;
/// Products that take longer need no such care.
const SLOW_MS: f64 = 4.0;
/// Where the end of a step is only looked for now and then, a step of so many is timed once, or of more where they are that fast.
const POLLED: [usize; 2] = [80, 1600];
/// What takes fewer looks than this is too fast for the time to tell.
const POLLS: f64 = 2.0;
/// What else must be gained there, for times are coarse.
const POLLED_GAIN: f64 = 1.25;
/// Dots of bytes round activations, if little, so that they must be worth it.
const DOTS_GAIN: f64 = 1.1;

impl Gpu {
    /// Finds how a matrix of this kind is best multiplied by one token, unless that was said when the device was opened. Errors: those of
    /// the device.
    pub async fn tune(&self, dtype: DType, rows: usize, cols: usize) -> Result<()> {
        if self.device.options.products.is_some() {
            return Ok(());
        }
        let has_dots = self.device.tier.packed && Layout::of(dtype).is_some_and(|layout| layout.has_bytes());
        let polled = self.device.is_polled();
        let mut fastest = (f64::INFINITY, Products::default());
        for alone in [false, true] {
            for dots in [false, true].into_iter().filter(|&dots| has_dots || !dots) {
                let products = Products { alone, dots };
                self.device.products.set(products);
                let product_ms = self.beside().product_ms(dtype, rows, cols).await?;
                let gain = if dots { DOTS_GAIN } else { 1.0 } * if polled { POLLED_GAIN } else { 1.0 };
                if gain * product_ms < fastest.0 {
                    fastest = (product_ms, products);
                }
                if polled && product_ms * (POLLED[1] as f64) < POLLS * self.device.latency_ms {
                    self.device.products.set(fastest.1);
                    return Ok(());
                }
            }
        }
        self.device.products.set(fastest.1);
        Ok(())
    }

    /// How long one token takes by a matrix.
    async fn product_ms(&mut self, dtype: DType, rows: usize, cols: usize) -> Result<f64> {
        let weight = self.alloc(dtype, rows, cols)?;
        let widths = Widths { embedding: rows, heads: 1, kv_heads: 1, head: 64, feed_forward: cols, vocab: 64, blocks: 1 };
        let mut step = self.step(&widths, 1)?;
        let [few, many] = TIMED;
        // Makes what is made at first use.
        self.products_ms(&mut step, &weight, few).await?;
        if self.device.is_polled() {
            let [few, many] = POLLED;
            let few_ms = self.products_ms(&mut step, &weight, few).await?;
            if few_ms > POLLS * self.device.latency_ms {
                return Ok(few_ms / few as f64);
            }
            return Ok(self.products_ms(&mut step, &weight, many).await? / many as f64);
        }
        let (mut few_ms, mut many_ms) = (self.products_ms(&mut step, &weight, few).await?, f64::INFINITY);
        if few_ms > SLOW_MS * few as f64 {
            return Ok(few_ms / few as f64);
        }
        for _ in 0..ROUNDS {
            few_ms = few_ms.min(self.products_ms(&mut step, &weight, few).await?);
            many_ms = many_ms.min(self.products_ms(&mut step, &weight, many).await?);
        }
        Ok((many_ms - few_ms) / (many - few) as f64)
    }

    async fn products_ms(&mut self, step: &mut Step, weight: &Weight<Buf>, count: usize) -> Result<f64> {
        let start_ms = host::now_ms();
        self.begin_at(step, 1, 0, 0);
        for _ in 0..count {
            self.project_add(step, weight);
        }
        let submission = self.submit_with(step, |_| ());
        Fence::after(&self.device, submission).wait(&self.device).await?;
        Ok(host::now_ms() - start_ms)
    }
}
