//! `x = scale * table[tokens]`

use crate::{
    backend::gpu::{
        activations::Activations,
        context::Gpu,
        kernels::ops::embed::{Embed, Op},
        recording::{Dispatch, Operation, Reads, RecordingKey},
        weights::{Buf, Part, id, matrix},
    },
    tensor::Weight,
};

impl Gpu {
    /// Records the rows of the table whose tokens stand in `token_ids`.
    pub(in crate::backend::gpu) fn record_embed(
        &mut self,
        step: &mut Activations,
        table: &Weight<Buf>,
        scale: f32,
    ) {
        let key = RecordingKey::new(Operation::Embed, step).weight(id(table));
        self.record(step, key, |gpu, step, _| {
            gpu.embed_dispatches(step, table, scale)
        });
    }

    fn embed_dispatches(
        &mut self,
        step: &Activations,
        table: &Weight<Buf>,
        scale: f32,
    ) -> Vec<Dispatch> {
        let Some(matrix) = matrix(table) else {
            return Vec::new();
        };
        let kernel = Embed {
            layout: matrix.layout,
        };
        let dispatch = |part: &Part| {
            let op = Op {
                planes_a: part.planes(table),
                first_row: part.first_row as u32,
                rows: part.rows as u32,
                scale,
            };
            let buffers = [
                ("weight_a", &part.buffer),
                ("token_ids", &step.token_ids),
                ("x", &step.x),
            ];
            // It reads few of the rows.
            Dispatch {
                reads: Reads::default(),
                ..self.dispatch(kernel, op, &buffers)
            }
        };
        matrix.parts.iter().map(dispatch).collect()
    }
}
