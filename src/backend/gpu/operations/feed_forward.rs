//! `h = rms_norm(x) * norm; a = activation(gate h + gate_bias) * (up h + up_bias)`

use super::matmul::matvec_op;
use crate::backend::{
    FeedForward,
    gpu::{
        activations::Activations,
        context::Gpu,
        kernels::{
            matmul::{
                matvec::{self, ROWS, Role},
                tile::Epilogue,
            },
            ops::activate_mul::{self, ActivateMul},
        },
        recording::{Dispatch, Operation, RecordingKey, Width},
        weights::{Buf, id, matrix, vector_at},
    },
};

impl Gpu {
    /// Records norm, gate and up.
    pub(in crate::backend::gpu) fn record_feed_forward(
        &mut self,
        step: &mut Activations,
        w: &FeedForward<Buf>,
    ) {
        let key = RecordingKey::new(Operation::FeedForward, step).weight(id(w.gate));
        self.record(step, key, |gpu, step, width| {
            let fused = match width {
                Width::One => gpu.gate_up_dispatch(step, w),
                _ => None,
            };
            fused.map_or_else(
                || gpu.gate_up_batch_dispatches(step, w, width),
                |dispatch| vec![dispatch],
            )
        });
    }

    /// Makes the one dispatch that does it all, but for a weight in several parts, and for what
    /// adapters change.
    fn gate_up_dispatch(&mut self, step: &Activations, w: &FeedForward<Buf>) -> Option<Dispatch> {
        let (norm, gate, up) = (w.norm?, matrix(w.gate)?, matrix(w.up)?);
        let ([a], [b]) = (&*gate.parts, &*up.parts) else {
            return None;
        };
        if self.is_changed(w.gate) || self.is_changed(w.up) {
            return None;
        }
        let op = matvec::Op {
            planes_b: b.planes(w.up),
            other_rows: w.up.rows as u32,
            norm_at: vector_at(Some(norm)),
            eps: w.eps,
            bias_a: vector_at(w.gate_bias),
            bias_b: vector_at(w.up_bias),
            ..matvec_op(w.gate, a)
        }
        .with_groups(w.gate.rows.div_ceil(ROWS / 2));
        let kernel = self.matvec(Role::GateUp {
            activation: w.activation,
            layouts: [gate.layout, up.layout],
            is_biased: w.gate_bias.is_some() || w.up_bias.is_some(),
        });
        let vectors = self.vectors_buffer();
        let buffers = [
            ("weight_a", &a.buffer),
            ("x", &step.x),
            ("out", &step.a),
            ("vectors", &vectors),
            ("weight_b", &b.buffer),
        ];
        Some(self.dispatch(kernel, op, &buffers))
    }

    fn gate_up_batch_dispatches(
        &mut self,
        step: &Activations,
        w: &FeedForward<Buf>,
        width: Width,
    ) -> Vec<Dispatch> {
        let (mut dispatches, x) = self.normed_input(step, w.norm, w.gate.cols, w.eps);
        if let Some(up) = self.changed_up([w.gate, w.up]) {
            for (w, bias, out) in [(w.gate, w.gate_bias, &step.a), (w.up, w.up_bias, &up)] {
                dispatches.extend(self.store_dispatches(width, w, bias, [&x, out]));
                dispatches.extend(self.change_dispatches(width, w, [&x, out]));
            }
            let kernel = ActivateMul {
                activation: w.activation,
            };
            let op = activate_mul::Op {
                width: w.gate.rows as u32,
            };
            let buffers = [("up", &up), ("out", &step.a)];
            dispatches.push(self.dispatch(kernel, op, &buffers));
            return dispatches;
        }
        for (w, bias, epilogue) in [
            (w.gate, w.gate_bias, Epilogue::Store),
            (w.up, w.up_bias, Epilogue::Gated(w.activation)),
        ] {
            dispatches.extend(self.tile_dispatches(width, w, bias, [&x, &step.a], epilogue));
        }
        dispatches
    }
}
