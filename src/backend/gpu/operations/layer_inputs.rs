//! What layers take beside the residual stream.

use crate::{
    backend::{
        Activation, LayerInputs,
        gpu::{
            activations::Activations,
            context::Gpu,
            kernels::ops::{
                input_gate::{self, InputGate},
                rms_norm::RmsNorm,
            },
            recording::{Operation, RecordingKey},
            weights::{Buf, id},
        },
    },
    tensor::Weight,
};

impl Gpu {
    /// Writes what the tokens have, and records what is added to it:
    /// `i = tokens + rms_norm(proj x) * norm`.
    pub(in crate::backend::gpu) fn record_layer_inputs(
        &mut self,
        step: &mut Activations,
        w: &LayerInputs<Buf>,
        tokens: &[f32],
    ) {
        if let Some([inputs, _]) = &step.inputs {
            let bytes = bytemuck::cast_slice(tokens);
            self.device.queue.write_buffer(inputs, 0, bytes);
        }
        let key = RecordingKey::new(Operation::LayerInputs, step).weight(id(w.proj));
        self.record(step, key, |gpu, step, width| {
            let Some([inputs, projected]) = &step.inputs else {
                return Vec::new();
            };
            let buffers = [&step.x, projected];
            let mut dispatches = gpu.store_dispatches(width, w.proj, None, buffers);
            let shape = [w.proj.rows / w.norm.cols, w.norm.cols];
            let buffers = [("x", projected), ("h", inputs)];
            let numbers = (w.eps, 1.0);
            dispatches.push(gpu.norm_dispatch(RmsNorm::Add, w.norm, shape, numbers, &buffers));
            dispatches
        });
    }

    /// Records `a = activation(gate x) * i[layer]`.
    pub(in crate::backend::gpu) fn record_gate_layer_input(
        &mut self,
        step: &mut Activations,
        layer: usize,
        gate: &Weight<Buf>,
        activation: Activation,
    ) {
        let key = RecordingKey::new(Operation::GateLayerInput, step).weight(id(gate));
        self.record(step, key, |gpu, step, width| {
            let Some([inputs, _]) = &step.inputs else {
                return Vec::new();
            };
            let mut dispatches = gpu.store_dispatches(width, gate, None, [&step.x, &step.a]);
            dispatches.extend(gpu.change_dispatches(width, gate, [&step.x, &step.a]));
            let op = input_gate::Op {
                width: gate.rows as u32,
                first: (layer * gate.rows) as u32,
                stride: step.dims.layer_inputs() as u32,
            };
            let buffers = [("inputs", inputs), ("a", &step.a)];
            dispatches.push(gpu.dispatch(InputGate { activation }, op, &buffers));
            dispatches
        });
    }
}
