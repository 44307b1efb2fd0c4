//! `b, c, u = in_proj (rms_norm(x) * norm); a = c conv(b u)`

use crate::backend::{
    self,
    gpu::{
        activations::Activations,
        cache::Cache,
        context::Gpu,
        kernels::ops::short_conv::{Op, ShortConv},
        recording::{Dispatch, Operation, RecordingKey, Width},
        weights::{Buf, id, vector_at},
    },
};

impl Gpu {
    /// Records norm, projections and convolution, whose inputs go to a layer of the cache.
    pub(in crate::backend::gpu) fn record_short_conv(
        &mut self,
        step: &mut Activations,
        cache: &Cache,
        layer: usize,
        w: &backend::ShortConv<Buf>,
    ) {
        let key = RecordingKey::new(Operation::ShortConv, step)
            .weight(id(w.in_proj))
            .cache(cache.id, layer);
        self.record(step, key, |gpu, step, width| {
            gpu.short_conv_dispatches(step, cache, layer, w, width)
        });
    }

    fn short_conv_dispatches(
        &mut self,
        step: &Activations,
        cache: &Cache,
        layer: usize,
        w: &backend::ShortConv<Buf>,
        width: Width,
    ) -> Vec<Dispatch> {
        let Some(bcu) = &step.bcu else {
            return Vec::new();
        };
        let mut dispatches = match (width, w.norm) {
            (Width::One, Some(norm)) => {
                self.normed_matvec_dispatches(step, w.in_proj, None, (norm, w.eps), bcu)
            }
            _ => {
                let (mut normed, x) = self.normed_input(step, w.norm, w.in_proj.cols, w.eps);
                normed.extend(self.store_dispatches(width, w.in_proj, None, [&x, bcu]));
                normed
            }
        };
        let op = Op {
            pairs: w.in_proj.cols as u32 / 2,
            taps: w.taps() as u32,
            conv_at: vector_at(Some(w.conv)),
        };
        let vectors = self.vectors_buffer();
        let buffers = [
            ("bcu", bcu),
            ("vectors", &vectors),
            ("conv_inputs", &cache.conv_inputs[layer]),
            ("out", &step.a),
        ];
        dispatches.push(self.dispatch(ShortConv, op, &buffers));
        dispatches
    }
}
