//! `logits = output (rms_norm(x) * norm) + bias`, scaled and bounded where a model asks for it

use crate::backend::{
    self, LmHead,
    gpu::{
        activations::Activations,
        context::Gpu,
        kernels::{
            matmul::tile::Epilogue,
            ops::logit_scale::{self, LogitScale},
        },
        recording::{Dispatch, Operation, RecordingKey},
        weights::{Buf, id},
    },
};
use wgpu::Buffer;

impl Gpu {
    /// Records the logits of one row.
    pub(in crate::backend::gpu) fn record_lm_head(
        &mut self,
        step: &mut Activations,
        w: &LmHead<Buf>,
    ) {
        let key = RecordingKey::new(Operation::LmHead, step).weight(id(w.output));
        self.record(step, key, |gpu, step, _| gpu.lm_head_dispatches(step, w));
    }

    fn lm_head_dispatches(&mut self, step: &Activations, w: &LmHead<Buf>) -> Vec<Dispatch> {
        let norm = (w.norm, w.eps);
        let mut dispatches =
            self.normed_matvec_dispatches(step, w.output, w.bias, norm, &step.logits);
        dispatches.extend(self.logit_scale_dispatch(step, w, &step.logits, false));
        dispatches
    }

    /// Makes the dispatch that scales and bounds logits, if they are to be: those of one row, or of
    /// every token.
    fn logit_scale_dispatch(
        &mut self,
        step: &Activations,
        w: &LmHead<Buf>,
        logits: &Buffer,
        of_all: bool,
    ) -> Option<Dispatch> {
        let op = logit_scale::Op {
            vocab: step.dims.vocab as u32,
            scale: w.scale.scale,
            softcap: w.scale.softcap,
        };
        let kernel = LogitScale {
            is_bounded: w.scale.softcap > 0.0,
            of_all,
        };
        let is_needed = w.scale != backend::LogitScale::NONE;
        is_needed.then(|| self.dispatch(kernel, op, &[("logits", logits)]))
    }

    /// Records the logits of all rows, where there is room for them.
    pub(in crate::backend::gpu) fn record_lm_head_all(
        &mut self,
        step: &mut Activations,
        w: &LmHead<Buf>,
    ) {
        let Some(all_logits) = step.all_logits().clone() else {
            return;
        };
        let key = RecordingKey::new(Operation::LmHeadAll, step).weight(id(w.output));
        self.record(step, key, |gpu, step, width| {
            let mut dispatches = vec![gpu.rms_norm_dispatch(step, w.norm, w.output.cols, w.eps)];
            let (buffers, store) = ([&step.h, &all_logits], Epilogue::Store);
            dispatches.extend(gpu.tile_dispatches(width, w.output, w.bias, buffers, store));
            dispatches.extend(gpu.logit_scale_dispatch(step, w, &all_logits, true));
            dispatches
        });
    }
}
