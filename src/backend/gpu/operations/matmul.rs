//! Products that stand by themselves: of one token with an addition, and of several.

use crate::{
    backend::{
        PostNorm,
        gpu::{
            activations::Activations,
            context::Gpu,
            kernels::{
                matmul::{
                    matvec::{self, Matvec, ROWS, Role},
                    narrow_tile::NarrowTile,
                    tile::{self, Epilogue, Tile},
                },
                ops::rms_norm::RmsNorm,
            },
            recording::{Dispatch, Operation, RecordingKey, Width},
            weights::{Buf, Part, id, matrix, vector_at},
        },
    },
    tensor::Weight,
};
use wgpu::Buffer;

impl Gpu {
    /// Records `x += w a + bias`, or the same with a norm before it is added.
    pub(in crate::backend::gpu) fn record_project_add(
        &mut self,
        step: &mut Activations,
        w: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        post: Option<&PostNorm<Buf>>,
    ) {
        let key = RecordingKey::new(Operation::ProjectAdd, step).weight(id(w));
        self.record(step, key, |gpu, step, width| {
            let Some(post) = post else {
                let mut dispatches = gpu.add_dispatches(width, w, bias, [&step.a, &step.x]);
                dispatches.extend(gpu.change_dispatches(width, w, [&step.a, &step.x]));
                return dispatches;
            };
            let mut dispatches = gpu.store_dispatches(width, w, bias, [&step.a, &step.h]);
            dispatches.extend(gpu.change_dispatches(width, w, [&step.a, &step.h]));
            let buffers = [("x", &step.h), ("h", &step.x)];
            let shape = [1, w.rows];
            let numbers = (post.eps, post.scale);
            dispatches.push(gpu.norm_dispatch(RmsNorm::Add, post.norm, shape, numbers, &buffers));
            dispatches
        });
    }

    /// Makes the dispatches of `out = w x + bias`, one for each part of the weight.
    pub(super) fn store_dispatches(
        &mut self,
        width: Width,
        w: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        buffers: [&Buffer; 2],
    ) -> Vec<Dispatch> {
        match width {
            Width::One => self.matvec_dispatches(w, bias, buffers, false),
            _ => self.tile_dispatches(width, w, bias, buffers, Epilogue::Store),
        }
    }

    /// Makes the dispatches of `out += w x + bias`, one for each part of the weight.
    pub(super) fn add_dispatches(
        &mut self,
        width: Width,
        w: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        buffers: [&Buffer; 2],
    ) -> Vec<Dispatch> {
        match width {
            Width::One => self.matvec_dispatches(w, bias, buffers, true),
            _ => self.tile_dispatches(width, w, bias, buffers, Epilogue::Add),
        }
    }

    fn matvec_dispatches(
        &mut self,
        w: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        [x, out]: [&Buffer; 2],
        is_added: bool,
    ) -> Vec<Dispatch> {
        let Some(matrix) = matrix(w) else {
            return Vec::new();
        };
        let (layout, is_biased) = (matrix.layout, bias.is_some());
        let kernel = self.matvec(match is_added {
            true => Role::Add { layout, is_biased },
            false => Role::Store { layout, is_biased },
        });
        let vectors = bias.map(|_| self.vectors_buffer());
        let dispatch = |part: &Part| {
            let op = matvec::Op {
                bias_a: vector_at(bias),
                ..matvec_op(w, part)
            };
            let mut buffers = vec![("weight_a", &part.buffer), ("x", x), ("out", out)];
            buffers.extend(vectors.as_ref().map(|vectors| ("vectors", vectors)));
            self.dispatch(kernel, op, &buffers)
        };
        matrix.parts.iter().map(dispatch).collect()
    }

    /// Makes the dispatches of `out = w (rms_norm(x) * norm) + bias` of the row of x whose logits
    /// are wanted, which is the only one of a step of one token.
    pub(super) fn normed_matvec_dispatches(
        &mut self,
        step: &Activations,
        w: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        (norm, eps): (&Weight<Buf>, f32),
        out: &Buffer,
    ) -> Vec<Dispatch> {
        let Some(matrix) = matrix(w) else {
            return Vec::new();
        };
        let kernel = self.matvec(Role::LmHead {
            layout: matrix.layout,
            is_biased: bias.is_some(),
        });
        let vectors = self.vectors_buffer();
        let dispatch = |part: &Part| {
            let op = matvec::Op {
                norm_at: vector_at(Some(norm)),
                eps,
                bias_a: vector_at(bias),
                ..matvec_op(w, part)
            };
            let buffers = [
                ("weight_a", &part.buffer),
                ("x", &step.x),
                ("out", out),
                ("vectors", &vectors),
            ];
            self.dispatch(kernel, op, &buffers)
        };
        matrix.parts.iter().map(dispatch).collect()
    }

    /// Returns the kernel for a product of one token, as it was found to be fastest.
    pub(super) fn matvec(&self, role: Role) -> Matvec {
        Matvec {
            role,
            int8_dot: self.strategy().int8_dot,
        }
    }

    /// Makes the dispatches of a product of several tokens, one for each part of the weight.
    pub(super) fn tile_dispatches(
        &mut self,
        width: Width,
        w: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        [x, out]: [&Buffer; 2],
        epilogue: Epilogue,
    ) -> Vec<Dispatch> {
        let Some(matrix) = matrix(w) else {
            return Vec::new();
        };
        let (layout, is_biased) = (matrix.layout, bias.is_some());
        let f16_tiles = self.strategy().f16_tiles;
        let vectors = bias.map(|_| self.vectors_buffer());
        let dispatch = |part: &Part| {
            let op = tile::Op {
                planes_a: part.planes(w),
                rows: part.rows as u32,
                first_row: part.first_row as u32,
                stride: w.rows as u32,
                bias_at: vector_at(bias),
            };
            let mut buffers = vec![("weight_a", &part.buffer), ("x", x), ("out", out)];
            buffers.extend(vectors.as_ref().map(|vectors| ("vectors", vectors)));
            match width {
                Width::Many => {
                    let kernel = Tile {
                        layout,
                        epilogue,
                        is_biased,
                        f16_tiles,
                    };
                    self.dispatch(kernel, op, &buffers)
                }
                _ => {
                    let kernel = NarrowTile {
                        layout,
                        epilogue,
                        is_biased,
                    };
                    self.dispatch(kernel, op, &buffers)
                }
            }
        };
        matrix.parts.iter().map(dispatch).collect()
    }
}

/// Returns the sizes of a product with one part of a weight.
pub(super) fn matvec_op(w: &Weight<Buf>, part: &Part) -> matvec::Op {
    let planes_a = part.planes(w);
    matvec::Op {
        blocks: planes_a.blocks,
        planes_a,
        rows: part.rows as u32,
        first_row: part.first_row as u32,
        stride: w.rows as u32,
        ..matvec::Op::default()
    }
    .with_groups(part.rows.div_ceil(ROWS))
}
