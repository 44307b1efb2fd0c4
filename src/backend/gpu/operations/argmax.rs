//! The likeliest token of each row of logits, found on the device.

use super::sampling::checked_token;
use crate::{
    Error, Result,
    backend::gpu::{
        activations::Activations,
        context::Gpu,
        device::readback::Readback,
        kernels::sampling::{Op, argmax::Argmax},
        recording::{Dispatch, Operation, RecordingKey},
    },
};

impl Gpu {
    /// Finds the likeliest token of each row of the step's logits, ends the step, and reads them:
    /// four bytes a row.
    ///
    /// # Errors
    /// `not_finite`, `gpu_unsupported` without room for the logits, and those of the device.
    pub(in crate::backend::gpu) async fn read_likeliest(
        &mut self,
        step: &mut Activations,
    ) -> Result<Vec<u32>> {
        if step.all_logits().is_none() {
            return Err(no_room());
        }
        let key = RecordingKey::new(Operation::Argmax, step);
        self.record(step, key, |gpu, step, _| gpu.argmax_dispatches(step));
        let size_bytes = u64::from(step.params.tokens) * size_of::<u32>() as u64;
        let buffer = self.idle_readback(step, size_bytes);
        let source = step.token_ids.clone();
        let submission = self.submit_with(step, |encoder| {
            encoder.copy_buffer_to_buffer(&source, 0, &buffer, 0, size_bytes);
        });
        self.counters.read_bytes += size_bytes;
        let mut tokens: Vec<u32> = Vec::new();
        let take = |bytes: &[u8]| tokens = bytemuck::pod_collect_to_vec(bytes);
        let readback = Readback::after(&self.device, submission, buffer, size_bytes);
        let buffer = readback.finish(&self.device, take).await?;
        step.sampler.idle.push(buffer);
        for &token in &tokens {
            checked_token(step, token)?;
        }
        Ok(tokens)
    }

    fn argmax_dispatches(&mut self, step: &Activations) -> Vec<Dispatch> {
        let Some(logits) = step.all_logits() else {
            return Vec::new();
        };
        let (op, maxima) = (Op::new(step.dims.vocab), &step.sampler.row_maxima);
        let slices = [("row_maxima", maxima), ("logits", logits)];
        // The step's tokens have been read by now.
        let last = [("row_maxima", maxima), ("token_ids", &step.token_ids)];
        vec![
            self.dispatch(Argmax::Slices, op, &slices),
            self.dispatch(Argmax::Last, op, &last),
        ]
    }
}

/// Returns the error of logits that found no room on the device.
pub(in crate::backend::gpu) fn no_room() -> Error {
    Error::new(
        crate::Code::GpuUnsupported,
        "The GPU has no room for the logits of so many tokens.",
    )
}
