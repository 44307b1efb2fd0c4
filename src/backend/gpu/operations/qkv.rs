//! Norm, q, k and v, their biases and rotation, and the cache.

use super::matmul::matvec_op;
use crate::backend::{
    AttentionInput,
    gpu::{
        activations::Activations,
        cache::Cache,
        context::Gpu,
        kernels::{
            matmul::matvec::{self, ROWS, Role},
            ops::{
                kv_quantize::{self, KvQuantize},
                qkv_rope::{self, QkvRope, kv_target},
                query_gate::{self, QueryGate},
                rms_norm::{self, RmsNorm},
            },
        },
        recording::{Dispatch, Operation, RecordingKey, Width},
        weights::{Buf, id, matrix, vector_at},
    },
};
use crate::tensor::Weight;
use wgpu::Buffer;

impl Gpu {
    /// Records `q = rope(q h + q_bias)` and what a layer of the cache keeps of k and v.
    pub(in crate::backend::gpu) fn record_attention_input(
        &mut self,
        step: &mut Activations,
        cache: &Cache,
        layer: usize,
        w: &AttentionInput<Buf>,
    ) {
        let rope_table = self.rope_table(w.rope, cache.size.context_tokens);
        let key = RecordingKey::new(Operation::AttentionInput, step)
            .weight(id(w.q))
            .cache(cache.id, layer)
            .rope_table(rope_table);
        self.record(step, key, |gpu, step, width| {
            let kv = step.kv_staging.as_ref().unwrap_or(&cache.layers[layer]);
            let targets = Targets {
                rope_table: &gpu.rope_table_buffer(rope_table),
                kv,
                room: cache.size.layers[layer],
            };
            let fused = match width {
                Width::One => gpu.qkv_dispatch(step, w, &targets),
                _ => None,
            };
            let mut dispatches = match fused {
                Some(dispatch) => vec![dispatch],
                None => gpu.qkv_batch_dispatches(step, w, &targets, width),
            };
            if w.k.is_some() {
                dispatches.extend(gpu.kv_quantize_dispatch(step, cache, layer));
            }
            dispatches
        });
    }

    /// Makes the one dispatch that does it all, but for a weight in several parts, for norms of
    /// queries and keys, for gates, and for what adapters change.
    fn qkv_dispatch(
        &mut self,
        step: &Activations,
        w: &AttentionInput<Buf>,
        targets: &Targets<'_>,
    ) -> Option<Dispatch> {
        let (norm, w_k, w_v) = (w.norm?, w.k?, w.v?);
        let (q, k, v) = (matrix(w.q)?, matrix(w_k)?, matrix(w_v)?);
        let is_changed = [w.q, w_k, w_v].iter().any(|w| self.is_changed(w));
        let is_normed = w.q_norm.or(w.k_norm).or(w.v_norm).is_some();
        if is_changed || is_normed || step.dims.delta.is_some() {
            return None;
        }
        let ([a], [b], [c]) = (&*q.parts, &*k.parts, &*v.parts) else {
            return None;
        };
        let rope = rope_op(step, targets.room, w);
        let op = matvec::Op {
            planes_b: b.planes(w_k),
            planes_c: c.planes(w_v),
            other_rows: w_k.rows as u32,
            norm_at: vector_at(Some(norm)),
            eps: w.eps,
            bias_a: rope.bias_a,
            bias_b: rope.bias_b,
            bias_c: rope.bias_c,
            head_dim: rope.head_dim,
            rotated: rope.rotated,
            room: rope.room,
            ..matvec_op(w.q, a)
        }
        .with_groups((w.q.rows + 2 * w_k.rows) / ROWS);
        let cache_type = self.cache_type();
        let layouts = [q.layout, k.layout, v.layout];
        let kernel = self.matvec(Role::Qkv {
            layouts,
            pairs: w.rope.pairs,
            cache_type,
        });
        let vectors = self.vectors_buffer();
        let buffers = [
            ("weight_a", &a.buffer),
            ("x", &step.x),
            ("out", &step.q),
            ("vectors", &vectors),
            ("weight_b", &b.buffer),
            ("weight_c", &c.buffer),
            ("rope_table", targets.rope_table),
            (kv_target(cache_type), targets.kv),
        ];
        Some(self.dispatch(kernel, op, &buffers))
    }

    fn qkv_batch_dispatches(
        &mut self,
        step: &Activations,
        w: &AttentionInput<Buf>,
        targets: &Targets<'_>,
        width: Width,
    ) -> Vec<Dispatch> {
        let (mut dispatches, x) = self.normed_input(step, w.norm, w.q.cols, w.eps);
        let (is_gated, rows) = (step.dims.delta.is_some(), query_rows(step, w));
        let queries = step.bcu.as_ref().filter(|_| is_gated).unwrap_or(&step.q);
        for (w, out) in [(Some(w.q), queries), (w.k, &step.k), (w.v, &step.v)] {
            // Their biases are added where they are rotated.
            let Some(w) = w else { continue };
            dispatches.extend(self.store_dispatches(width, w, None, [&x, out]));
            dispatches.extend(self.change_dispatches(width, w, [&x, out]));
        }
        dispatches.extend(self.query_gate_dispatch(step, QueryGate::Take, &step.q));
        let kv_rows = w.k.map_or(0, |k| k.rows);
        for (norm, rows, y) in [
            (w.q_norm, rows, &step.q),
            (w.k_norm, kv_rows, &step.k),
            (w.v_norm, kv_rows, &step.v),
        ] {
            dispatches.extend(norm.map(|norm| {
                let heads = rows / norm.cols;
                let shape = [heads, norm.cols];
                self.norm_dispatch(RmsNorm::InPlace, norm, shape, (w.eps, 1.0), &[("h", y)])
            }));
        }
        let (vectors, cache_type) = (self.vectors_buffer(), self.cache_type());
        let kernel = QkvRope {
            pairs: w.rope.pairs,
            cache_type,
        };
        let buffers = [
            ("q", &step.q),
            ("k", &step.k),
            ("v", &step.v),
            ("vectors", &vectors),
            ("rope_table", targets.rope_table),
            (kv_target(cache_type), targets.kv),
        ];
        dispatches.push(self.dispatch(kernel, rope_op(step, targets.room, w), &buffers));
        dispatches
    }

    /// Makes the dispatch of queries that come with gates, if they do.
    pub(super) fn query_gate_dispatch(
        &mut self,
        step: &Activations,
        kernel: QueryGate,
        out: &Buffer,
    ) -> Option<Dispatch> {
        step.dims.delta?;
        let op = query_gate::Op {
            head_dim: step.dims.head_dim as u32,
            width: (step.dims.heads * step.dims.head_dim) as u32,
        };
        let both = step.bcu.as_ref()?;
        Some(self.dispatch(kernel, op, &[("both", both), ("out", out)]))
    }

    /// Makes the dispatch that a cache of bytes needs once keys and values are whole.
    fn kv_quantize_dispatch(
        &mut self,
        step: &Activations,
        cache: &Cache,
        layer: usize,
    ) -> Option<Dispatch> {
        let kv_staging = step.kv_staging.as_ref()?;
        let kernel = KvQuantize {
            head_dim: step.dims.head_dim_of(layer),
        };
        let op = kv_quantize::Op {
            heads: 2 * step.dims.kv_heads as u32,
            room: cache.size.layers[layer] as u32,
        };
        let buffers = [("kv_staging", kv_staging), ("cache", &cache.layers[layer])];
        Some(self.dispatch(kernel, op, &buffers))
    }

    /// Makes the dispatch of `h = rms_norm(x) * norm`, if there is a norm. Returns it with the buffer
    /// that products take.
    pub(super) fn normed_input(
        &mut self,
        step: &Activations,
        norm: Option<&Weight<Buf>>,
        cols: usize,
        eps: f32,
    ) -> (Vec<Dispatch>, Buffer) {
        match norm {
            Some(norm) => {
                let dispatch = self.rms_norm_dispatch(step, norm, cols, eps);
                (vec![dispatch], step.h.clone())
            }
            None => (Vec::new(), step.x.clone()),
        }
    }

    /// Makes the dispatch of `h = rms_norm(x) * norm`, as wide as the columns of a weight.
    pub(super) fn rms_norm_dispatch(
        &mut self,
        step: &Activations,
        norm: &Weight<Buf>,
        cols: usize,
        eps: f32,
    ) -> Dispatch {
        let buffers = [("x", &step.x), ("h", &step.h)];
        self.norm_dispatch(RmsNorm::Store, norm, [1, cols], (eps, 1.0), &buffers)
    }

    /// Makes the dispatch of a norm of so many rows and columns of each token, with its epsilon and
    /// what multiplies a sum.
    pub(super) fn norm_dispatch(
        &mut self,
        kernel: RmsNorm,
        norm: &Weight<Buf>,
        [rows, cols]: [usize; 2],
        (eps, scale): (f32, f32),
        buffers: &[(&str, &Buffer)],
    ) -> Dispatch {
        let op = rms_norm::Op {
            width: cols as u32 / 4,
            norm_at: vector_at(Some(norm)),
            eps,
            rows: rows as u32,
            scale,
        };
        let vectors = self.vectors_buffer();
        let buffers = [buffers, &[("vectors", &vectors)]].concat();
        self.dispatch(kernel, op, &buffers)
    }
}

/// The buffers that rotation needs beside the activations.
struct Targets<'a> {
    rope_table: &'a Buffer,
    /// Where keys and values go: to the cache, or to what is staged for it.
    kv: &'a Buffer,
    /// The positions of the layer's cache.
    room: usize,
}

/// Returns the elements of all queries of a token, without their gates.
fn query_rows(step: &Activations, w: &AttentionInput<Buf>) -> usize {
    w.q.rows / (1 + usize::from(step.dims.delta.is_some()))
}

fn rope_op(step: &Activations, room: usize, w: &AttentionInput<Buf>) -> qkv_rope::Op {
    qkv_rope::Op {
        rows: query_rows(step, w) as u32,
        other_rows: w.k.map_or(0, |k| k.rows) as u32,
        bias_a: vector_at(w.q_bias),
        bias_b: vector_at(w.k_bias),
        bias_c: vector_at(w.v_bias),
        head_dim: (query_rows(step, w) / step.dims.heads) as u32,
        rotated: 2 * w.rope.frequencies.len() as u32,
        room: room as u32,
    }
}
