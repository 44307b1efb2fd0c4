//! Norm, projections, a convolution and the gated delta rule.

use crate::backend::{
    DeltaNet, StateEntries,
    gpu::{
        activations::Activations,
        cache::Cache,
        context::Gpu,
        kernels::ops::{
            delta_conv::{self, DeltaConv},
            delta_rule::{self, DeltaRule},
        },
        recording::{Dispatch, Operation, RecordingKey, Width},
        weights::{Buf, id, vector_at},
    },
};

impl Gpu {
    /// Records a gated DeltaNet, from one state of a layer of the cache to another.
    pub(in crate::backend::gpu) fn record_delta_net(
        &mut self,
        step: &mut Activations,
        cache: &Cache,
        layer: usize,
        entries: StateEntries,
        w: &DeltaNet<Buf>,
    ) {
        step.params.state_from = entries.from.unwrap_or_default() as u32;
        step.params.state_to = entries.to as u32;
        let key = RecordingKey::new(Operation::DeltaNet, step)
            .weight(id(w.qkv))
            .cache(cache.id, layer);
        self.record(step, key, |gpu, step, width| {
            gpu.delta_net_dispatches(step, cache, layer, w, width)
                .unwrap_or_default()
        });
    }

    fn delta_net_dispatches(
        &mut self,
        step: &Activations,
        cache: &Cache,
        layer: usize,
        w: &DeltaNet<Buf>,
        width: Width,
    ) -> Option<Vec<Dispatch>> {
        let dims = step.dims.delta?;
        let (raw, convolved) = (step.bcu.as_ref()?, step.convolved.as_ref()?);
        let (mut dispatches, x) = self.normed_input(step, w.norm, w.qkv.cols, w.eps);
        for (w, out) in [
            (w.qkv, raw),
            (w.gate, &step.q),
            (w.beta, &step.k),
            (w.alpha, &step.v),
        ] {
            dispatches.extend(self.store_dispatches(width, w, None, [&x, out]));
            dispatches.extend(self.change_dispatches(width, w, [&x, out]));
        }
        let (vectors, states) = (self.vectors_buffer(), &cache.conv_inputs[layer]);
        let op = delta_conv::Op {
            channels: dims.channels() as u32,
            taps: dims.taps as u32,
            state: dims.state() as u32,
            conv_at: vector_at(Some(w.conv)),
        };
        let buffers = [
            ("raw", raw),
            ("vectors", &vectors),
            ("states", states),
            ("out", convolved),
        ];
        dispatches.push(self.dispatch(DeltaConv, op, &buffers));
        let op = delta_rule::Op {
            channels: op.channels,
            key_heads: dims.key_heads as u32,
            value_heads: dims.value_heads as u32,
            state: op.state,
            first: dims.inputs() as u32,
            dt_at: vector_at(Some(w.dt)),
            a_at: vector_at(Some(w.a)),
            norm_at: vector_at(Some(w.out_norm)),
            eps: w.eps,
        };
        let buffers = [
            ("qkv", convolved),
            ("gates", &step.q),
            ("betas", &step.k),
            ("alphas", &step.v),
            ("vectors", &vectors),
            ("states", states),
            ("out", &step.a),
        ];
        dispatches.push(self.dispatch(DeltaRule::of(&dims)?, op, &buffers));
        Some(dispatches)
    }
}
