//! How weights get to the device.

use super::{
    context::Gpu,
    weights::{
        Buf, Matrix, Part,
        repack::{BLOCK, Layout, repack},
    },
};
use crate::{Code, Error, Result, quant::DType, tensor::Weight};
use wgpu::BufferUsages as Usage;

/// Rows of a buffer come in groups of eight, so that every plane of a group is whole bytes
/// ([`Layout::offsets`] counts blocks by eights).
const PADDED_ROWS: usize = 8;
/// The bytes after which weights are sent off, so that copies do not pile up beside their buffers.
const SEND_BYTES: usize = 16 << 20;

impl Gpu {
    /// Makes room for a weight.
    ///
    /// # Errors
    /// `gpu_unsupported`, `gpu_out_of_memory`, `gpu_lost`, `gpu_refused`
    pub(super) fn alloc_weight(
        &mut self,
        dtype: DType,
        rows: usize,
        cols: usize,
    ) -> Result<Weight<Buf>> {
        if rows == 1 {
            let at = self.vectors.len();
            // Shaders read vectors as vec4.
            self.vectors.resize((at + cols).next_multiple_of(4), 0.0);
            return Ok(Weight::new(dtype, rows, cols, Buf::Vector { at }));
        }
        if !cols.is_multiple_of(BLOCK) {
            let message = format!(
                "The GPU has no kernel for {} weights with {cols} columns.",
                dtype.name()
            );
            return Err(Error::new(Code::GpuUnsupported, message));
        }
        let layout = Layout::of(dtype);
        let blocks = cols / BLOCK;
        let limit = self
            .device
            .max_part_bytes()
            .try_into()
            .unwrap_or(usize::MAX);
        // The planes are padded to whole vec4, at most 16 bytes each.
        let part_rows =
            limit.saturating_sub(64) / layout.planes(PADDED_ROWS * blocks).size_bytes * PADDED_ROWS;
        if part_rows == 0 {
            return Err(Error::new(
                Code::GpuUnsupported,
                format!("A row of {cols} weights is more than the GPU takes at once."),
            ));
        }
        let mut parts = Vec::new();
        for first_row in (0..rows).step_by(part_rows) {
            let rows = part_rows.min(rows - first_row);
            let planes = layout.planes(rows.next_multiple_of(PADDED_ROWS) * blocks);
            let buffer = self.buffer(
                "weight",
                planes.size_bytes,
                Usage::STORAGE | Usage::COPY_DST,
            )?;
            parts.push(Part {
                first_row,
                rows,
                planes,
                buffer,
            });
        }
        self.device.check()?;
        let id = self.next_id();
        let matrix = Buf::Matrix(Matrix { id, layout, parts });
        Ok(Weight::new(dtype, rows, cols, matrix))
    }

    /// Fills rows `first_row ..` from the file's bytes.
    pub(super) fn write_weight(&mut self, weight: &Weight<Buf>, first_row: usize, bytes: &[u8]) {
        let matrix = match &weight.buf {
            Buf::Matrix(matrix) => matrix,
            Buf::Vector { at } => {
                // A row of no bytes is written where a tensor is empty.
                if !bytes.is_empty() {
                    weight
                        .dtype
                        .dequantize(bytes, &mut self.vectors[*at..at + weight.cols]);
                }
                return;
            }
        };
        let blocks = weight.cols / BLOCK;
        let row_bytes = weight.cols / weight.dtype.block_len() * weight.dtype.block_bytes();
        let end_row = first_row + bytes.len() / row_bytes;
        for part in &matrix.parts {
            let (from, to) = (
                first_row.max(part.first_row),
                end_row.min(part.first_row + part.rows),
            );
            if from >= to {
                continue;
            }
            let planes = repack(
                weight.dtype,
                &bytes[(from - first_row) * row_bytes..(to - first_row) * row_bytes],
            );
            let offsets = matrix.layout.offsets((from - part.first_row) * blocks);
            let filled = planes
                .iter()
                .zip(part.planes.at)
                .zip(offsets)
                .filter(|((plane, _), _)| !plane.is_empty());
            for ((plane, at), offset) in filled {
                self.device
                    .queue
                    .write_buffer(&part.buffer, (at + offset) as u64, plane);
            }
        }
        self.unsent_bytes += bytes.len();
        if self.unsent_bytes > SEND_BYTES {
            self.unsent_bytes = 0;
            let submission = self.device.queue.submit([]);
            self.device.run_until(submission);
        }
    }
}
