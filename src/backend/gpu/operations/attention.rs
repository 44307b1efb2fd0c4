//! `a = softmax(scale * q K^T) V`

use crate::backend::{
    Attention,
    gpu::{
        activations::Activations,
        cache::Cache,
        context::Gpu,
        kernels::{
            attention::{MAX_SPLITS, Op, decode::Decode, prefill::Prefill, reduce::Reduce},
            ops::query_gate::QueryGate,
        },
        recording::{Dispatch, Operation, Reads, RecordingKey, Width},
    },
};

impl Gpu {
    /// Records attention over a layer of the cache.
    pub(in crate::backend::gpu) fn record_attend(
        &mut self,
        step: &mut Activations,
        cache: &Cache,
        layer: usize,
        attention: &Attention,
    ) {
        let key = RecordingKey::new(Operation::Attend, step).cache(cache.id, layer);
        self.record(step, key, |gpu, step, width| {
            let mut dispatches = gpu.attend_dispatches(step, cache, layer, attention, width);
            dispatches.extend(gpu.query_gate_dispatch(step, QueryGate::Gate, &step.a));
            dispatches
        });
    }

    fn attend_dispatches(
        &mut self,
        step: &Activations,
        cache: &Cache,
        layer: usize,
        attention: &Attention,
        width: Width,
    ) -> Vec<Dispatch> {
        let dims = &step.dims;
        let (head_dim, gqa_group) = (dims.head_dim_of(layer), dims.heads / dims.kv_heads);
        let (kv, cache_type) = (&cache.layers[layer], self.cache_type());
        let is_bounded = attention.softcap > 0.0;
        let op = Op {
            heads: dims.heads as u32,
            kv_heads: dims.kv_heads as u32,
            room: cache.size.layers[layer] as u32,
            max_splits: MAX_SPLITS as u32,
            window: attention.window,
            scale: attention.scale,
            softcap: attention.softcap,
        };
        if width == Width::Many && Prefill::fits(head_dim) {
            let prefill = Prefill {
                head_dim,
                gqa_group,
                cache_type,
                is_bounded,
            };
            let buffers = [("q", &step.q), ("cache", kv), ("out", &step.a)];
            return vec![reading(cache, layer, self.dispatch(prefill, op, &buffers))];
        }
        let decode = Decode {
            head_dim,
            gqa_group,
            cache_type,
            is_bounded,
        };
        let buffers = [("q", &step.q), ("cache", kv), ("partials", &step.partials)];
        let decode = reading(cache, layer, self.dispatch(decode, op, &buffers));
        let buffers = [("partials", &step.partials), ("out", &step.a)];
        vec![decode, self.dispatch(Reduce { head_dim }, op, &buffers)]
    }
}

/// Returns the dispatch with what it reads of the cache.
fn reading(cache: &Cache, layer: usize, dispatch: Dispatch) -> Dispatch {
    let reads = Reads {
        position_bytes: cache.position_bytes(layer),
        ..dispatch.reads
    };
    Dispatch { reads, ..dispatch }
}
