//! Looking into a step: what a buffer holds at one point of it.

use super::{Gpu, Step, step::Recording, waiting::Reading};
use crate::Result;

impl Gpu {
    /// Notes what `buffer` holds at this point of the step, for [`Gpu::read_taps`]. The step goes on in a pass of its own.
    pub fn tap(&mut self, step: &mut Step, name: &str, buffer: &wgpu::Buffer) {
        let Some(Recording { pass, mut encoder }) = step.recording.take() else { return };
        drop(pass);
        let copy = self.device.readback(buffer.size());
        encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, buffer.size());
        step.taps.push((name.to_owned(), copy));
        self.begin_pass(step, encoder);
    }

    /// Ends the step, and gives what was noted in it. Errors: `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`.
    pub async fn read_taps(&mut self, step: &mut Step) -> Result<Vec<(String, Vec<u8>)>> {
        let submission = self.submit_with(step, |_| ());
        let mut taps = Vec::new();
        for (name, buffer) in std::mem::take(&mut step.taps) {
            let (mut bytes, size_bytes) = (Vec::new(), buffer.size());
            Reading::after(submission.clone(), buffer, size_bytes).finish(&self.device, |read| bytes = read.to_vec()).await?;
            taps.push((name, bytes));
        }
        self.device.check()?;
        Ok(taps)
    }
}
