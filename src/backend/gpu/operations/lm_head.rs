//! `logits = output (rms_norm(x) * norm)`

use super::matmul::matvec_op;
use crate::{
    backend::gpu::{
        activations::Activations,
        context::Gpu,
        kernels::matmul::{
            matvec::{self, Role},
            tile::Epilogue,
        },
        recording::{Dispatch, Operation, RecordingKey},
        weights::{Buf, Part, id, matrix, vector_at},
    },
    tensor::Weight,
};

impl Gpu {
    /// Records the logits of one row.
    pub(in crate::backend::gpu) fn record_lm_head(
        &mut self,
        step: &mut Activations,
        norm: &Weight<Buf>,
        output: &Weight<Buf>,
        eps: f32,
    ) {
        let key = RecordingKey::new(Operation::LmHead, step).weight(id(output));
        self.record(step, key, |gpu, step, _| {
            gpu.lm_head_dispatches(step, norm, output, eps)
        });
    }

    fn lm_head_dispatches(
        &mut self,
        step: &Activations,
        norm: &Weight<Buf>,
        output: &Weight<Buf>,
        eps: f32,
    ) -> Vec<Dispatch> {
        let Some(matrix) = matrix(output) else {
            return Vec::new();
        };
        let kernel = self.matvec(Role::LmHead {
            layout: matrix.layout,
        });
        let vectors = self.vectors_buffer();
        let dispatch = |part: &Part| {
            let norm_at = vector_at(Some(norm));
            let op = matvec::Op {
                norm_at,
                eps,
                ..matvec_op(output, part)
            };
            let buffers = [
                ("weight_a", &part.buffer),
                ("x", &step.x),
                ("out", &step.logits),
                ("vectors", &vectors),
            ];
            self.dispatch(kernel, op, &buffers)
        };
        matrix.parts.iter().map(dispatch).collect()
    }

    /// Records the logits of all rows, where there is room for them.
    pub(in crate::backend::gpu) fn record_lm_head_all(
        &mut self,
        step: &mut Activations,
        norm: &Weight<Buf>,
        output: &Weight<Buf>,
        eps: f32,
    ) {
        let Some(all_logits) = step.all_logits.clone() else {
            return;
        };
        let key = RecordingKey::new(Operation::LmHeadAll, step).weight(id(output));
        self.record(step, key, |gpu, step, _| {
            let mut dispatches = vec![gpu.rms_norm_dispatch(step, norm, output.cols, eps)];
            let store = Epilogue::Store;
            dispatches.extend(gpu.tile_dispatches(output, &step.h, &all_logits, store));
            dispatches
        });
    }
}
