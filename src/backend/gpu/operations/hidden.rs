//! `h = rms_norm(x) * norm` of every token, read to the host.

use crate::{
    Result,
    backend::gpu::{
        activations::Activations,
        context::Gpu,
        device::readback::Readback,
        recording::{Operation, RecordingKey},
        weights::{Buf, id},
    },
    tensor::Weight,
};

impl Gpu {
    /// Norms the residual stream of every token, if there is a norm, ends the step, and reads it to
    /// `hidden`, `[tokens, embedding]`.
    ///
    /// # Errors
    /// Those of the device.
    pub(in crate::backend::gpu) async fn read_normed(
        &mut self,
        step: &mut Activations,
        norm: Option<&Weight<Buf>>,
        eps: f32,
        hidden: &mut Vec<f32>,
    ) -> Result<()> {
        let width = step.dims.embedding;
        let source = match norm {
            Some(norm) => {
                let key = RecordingKey::new(Operation::Hidden, step).weight(id(norm));
                self.record(step, key, |gpu, step, _| {
                    vec![gpu.rms_norm_dispatch(step, norm, width, eps)]
                });
                step.h.clone()
            }
            None => step.x.clone(),
        };
        let len = step.params.tokens as usize * width;
        let size_bytes = (len * size_of::<f32>()) as u64;
        let buffer = self.idle_readback(step, size_bytes);
        let submission = self.submit_with(step, |encoder| {
            encoder.copy_buffer_to_buffer(&source, 0, &buffer, 0, size_bytes);
        });
        self.counters.read_bytes += size_bytes;
        hidden.resize(len, 0.0);
        let take = |bytes: &[u8]| bytemuck::cast_slice_mut(hidden).copy_from_slice(bytes);
        let readback = Readback::after(&self.device, submission, buffer, size_bytes);
        readback.finish(&self.device, take).await.map(drop)
    }
}
