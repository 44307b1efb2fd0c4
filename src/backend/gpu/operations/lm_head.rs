//! `logits = output (rms_norm(x) * norm) + bias`

use super::matmul::matvec_op;
use crate::backend::{
    LmHead,
    gpu::{
        activations::Activations,
        context::Gpu,
        kernels::matmul::{
            matvec::{self, Role},
            tile::Epilogue,
        },
        recording::{Dispatch, Operation, RecordingKey},
        weights::{Buf, Part, id, matrix, vector_at},
    },
};

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
        let Some(matrix) = matrix(w.output) else {
            return Vec::new();
        };
        let kernel = self.matvec(Role::LmHead {
            layout: matrix.layout,
            is_biased: w.bias.is_some(),
        });
        let vectors = self.vectors_buffer();
        let dispatch = |part: &Part| {
            let op = matvec::Op {
                norm_at: vector_at(Some(w.norm)),
                eps: w.eps,
                bias_a: vector_at(w.bias),
                ..matvec_op(w.output, part)
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
            dispatches
        });
    }
}
