//! Looking into a step: what a buffer holds at one point of it.

use super::{
    activations::{Activations, Commands},
    context::Gpu,
    device::readback::Readback,
};
use crate::Result;

impl Gpu {
    /// Keeps a copy of every tensor that a model names, from here on.
    pub fn keep_taps(&mut self) {
        self.keeps_taps = true;
    }

    /// Keeps what `buffer` holds at this point of the step, which goes on in a pass of its own.
    pub fn tap_buffer(&mut self, step: &mut Activations, name: &str, buffer: &wgpu::Buffer) {
        let Some(Commands { pass, mut encoder }) = step.commands.take() else {
            return;
        };
        drop(pass);
        let copy = self.device.readback(buffer.size());
        encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, buffer.size());
        self.taps.push((name.to_owned(), copy));
        self.begin_pass(step, encoder);
    }

    /// Returns what was kept of the steps that have been submitted: whole buffers, however many
    /// tokens the step had.
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub async fn read_taps(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        let submission = self.device.queue.submit([]);
        let mut taps = Vec::new();
        for (name, buffer) in std::mem::take(&mut self.taps) {
            let (mut bytes, size_bytes) = (Vec::new(), buffer.size());
            let readback = Readback::after(&self.device, submission.clone(), buffer, size_bytes);
            readback
                .finish(&self.device, |read| bytes = read.to_vec())
                .await?;
            taps.push((name, bytes));
        }
        self.device.check()?;
        Ok(taps)
    }
}
