//! Looking into a step: what a buffer holds at one point of it.

use super::{Gpu, Step, step::Recording, waiting::Reading};
use crate::Result;

#[derive(Default)]
pub struct Taps {
    /// Whether the tensors that a model names are kept.
    pub named: bool,
    copies: Vec<(String, wgpu::Buffer)>,
}

impl Gpu {
    /// From here on keeps a copy of every tensor that a model names.
    pub fn keep_taps(&mut self) {
        self.taps.named = true;
    }

    /// Keeps what `buffer` holds at this point of the step. The step goes on in a pass of its own.
    pub fn tap_buffer(&mut self, step: &mut Step, name: &str, buffer: &wgpu::Buffer) {
        let Some(Recording { pass, mut encoder }) = step.recording.take() else {
            return;
        };
        drop(pass);
        let copy = self.device.readback(buffer.size());
        encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, buffer.size());
        self.taps.copies.push((name.to_owned(), copy));
        self.begin_pass(step, encoder);
    }

    /// What was kept of the steps that have been submitted: whole buffers, whatever the step had of tokens. Errors: `gpu_lost`,
    /// `gpu_out_of_memory`, `gpu_refused`.
    pub async fn read_taps(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        let submission = self.device.queue.submit([]);
        let mut taps = Vec::new();
        for (name, buffer) in std::mem::take(&mut self.taps.copies) {
            let (mut bytes, size_bytes) = (Vec::new(), buffer.size());
            Reading::after(&self.device, submission.clone(), buffer, size_bytes)
                .finish(&self.device, |read| bytes = read.to_vec())
                .await?;
            taps.push((name, bytes));
        }
        self.device.check()?;
        Ok(taps)
    }
}
