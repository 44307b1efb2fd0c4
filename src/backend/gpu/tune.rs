//! Choices between kernels that only a measurement can make.

use super::{Gpu, waiting::Fence};
use crate::{
    Result,
    backend::{Backend, Widths},
    host,
    quant::DType,
};

/// Products of a timed step, at first and at last: what lies between is free of what a step costs by itself.
const TIMED: [usize; 2] = [2, 10];

impl Gpu {
    /// Finds how lanes best share a product with a matrix of this kind, unless that was said when the device was opened. Errors: those of
    /// the device.
    pub async fn tune(&self, dtype: DType, rows: usize, cols: usize) -> Result<()> {
        if self.device.options.alone.is_some() {
            return Ok(());
        }
        let mut fastest = (f64::INFINITY, false);
        for alone in [false, true] {
            self.device.alone.set(alone);
            let product_ms = self.beside().product_ms(dtype, rows, cols).await?;
            if product_ms < fastest.0 {
                fastest = (product_ms, alone);
            }
        }
        self.device.alone.set(fastest.1);
        Ok(())
    }

    /// How long one token takes by a matrix.
    async fn product_ms(&mut self, dtype: DType, rows: usize, cols: usize) -> Result<f64> {
        let weight = self.alloc(dtype, rows, cols)?;
        let widths = Widths { embedding: rows, heads: 1, kv_heads: 1, head: 64, feed_forward: cols, vocab: 64, blocks: 1 };
        let mut step = self.step(&widths, 1)?;
        let mut times_ms = [f64::INFINITY; 2];
        // The first round makes what is made at first use.
        for round in 0..3 {
            for (time_ms, count) in times_ms.iter_mut().zip(TIMED) {
                let start_ms = host::now_ms();
                self.begin_at(&mut step, 1, 0, 0);
                for _ in 0..count {
                    self.project_add(&mut step, &weight);
                }
                let submission = self.submit_with(&mut step, |_| ());
                Fence::after(&self.device, submission).wait(&self.device).await?;
                if round > 0 {
                    *time_ms = time_ms.min(host::now_ms() - start_ms);
                }
            }
        }
        let [few_ms, many_ms] = times_ms;
        Ok((many_ms - few_ms) / (TIMED[1] - TIMED[0]) as f64)
    }
}
