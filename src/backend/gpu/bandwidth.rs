//! How fast the device reads and writes its memory.

use super::{context::Gpu, device::readback::Fence};
use crate::{Result, host};
use wgpu::BufferUsages as Usage;

/// Copies that go in one submit, so that its own cost counts little.
const COPIES: usize = 8;
/// The best of so many rounds counts.
const ROUNDS: usize = 5;

impl Gpu {
    /// Returns the bytes a second that a plain copy of a buffer of `size_bytes`, a multiple of 4,
    /// reads and writes together.
    ///
    /// # Errors
    /// `gpu_unsupported`, `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub async fn copy_bandwidth(&mut self, size_bytes: usize) -> Result<f64> {
        let usage = Usage::COPY_SRC | Usage::COPY_DST;
        let from = self.buffer("copied", size_bytes, usage)?;
        let to = self.buffer("copy", size_bytes, usage)?;
        let mut best_ms = f64::INFINITY;
        for _ in 0..=ROUNDS {
            let mut encoder = self
                .device
                .device
                .create_command_encoder(&Default::default());
            for _ in 0..COPIES {
                encoder.copy_buffer_to_buffer(&from, 0, &to, 0, size_bytes as u64);
            }
            let start_ms = host::now_ms();
            let submission = self.device.queue.submit([encoder.finish()]);
            Fence::after(&self.device, submission)
                .wait(&self.device)
                .await?;
            best_ms = best_ms.min(host::now_ms() - start_ms);
        }
        from.destroy();
        to.destroy();
        Ok((2 * COPIES * size_bytes) as f64 / best_ms * 1e3)
    }
}
