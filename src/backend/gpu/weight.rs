//! Weights on the device.

use super::{
    Gpu,
    segment::{BLOCK, Layout, Planes, segment},
};
use crate::{Code, Error, Result, quant::DType, tensor::Weight};
use wgpu::BufferUsages as Usage;

/// A weight on the device.
pub enum Buf {
    /// Norms and biases, as f32: they begin at `at` in one buffer that holds them all.
    Vector {
        at: usize,
    },
    Matrix(Matrix),
}

pub struct Matrix {
    /// Tells it from every other.
    pub id: u32,
    pub layout: Layout,
    /// One, but for a matrix that is larger than a shader can see at once.
    pub parts: Vec<Part>,
}

/// Rows `first_row .. first_row + rows` of a matrix.
pub struct Part {
    pub first_row: usize,
    pub rows: usize,
    pub planes: Planes,
    pub buffer: wgpu::Buffer,
}

/// Rows of a buffer come in groups of these: planes are told apart by blocks, eight at a time.
const PADDED_ROWS: usize = 8;
/// Weights are sent off in pieces of this size, so that they do not pile up beside their buffers.
const SEND_BYTES: usize = 16 << 20;

/// The number of a matrix; 0 for a vector, which no operation is named after.
pub fn id(weight: &Weight<Buf>) -> u32 {
    match &weight.buf {
        Buf::Matrix(matrix) => matrix.id,
        Buf::Vector { .. } => 0,
    }
}

impl Gpu {
    pub(super) fn alloc_weight(
        &mut self,
        dtype: DType,
        rows: usize,
        cols: usize,
    ) -> Result<Weight<Buf>> {
        if rows == 1 {
            let at = self.vectors.len();
            // Shaders read them as vec4.
            self.vectors.resize((at + cols).next_multiple_of(4), 0.0);
            return Ok(Weight {
                dtype,
                rows,
                cols,
                buf: Buf::Vector { at },
            });
        }
        let Some(layout) = Layout::of(dtype).filter(|_| cols.is_multiple_of(BLOCK)) else {
            let message = format!(
                "The GPU has no kernel for {} weights with {cols} columns.",
                dtype.name()
            );
            return Err(Error::new(Code::GpuUnsupported, message));
        };
        let blocks = cols / BLOCK;
        let limit = self
            .device
            .max_part_bytes()
            .try_into()
            .unwrap_or(usize::MAX);
        // Planes are padded a little.
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
        self.next_id += 1;
        Ok(Weight {
            dtype,
            rows,
            cols,
            buf: Buf::Matrix(Matrix {
                id: self.next_id,
                layout,
                parts,
            }),
        })
    }

    pub(super) fn write_weight(&mut self, weight: &Weight<Buf>, first_row: usize, bytes: &[u8]) {
        let matrix = match &weight.buf {
            Buf::Matrix(matrix) => matrix,
            Buf::Vector { at } => {
                // Whoever loads asks for nothing of no length.
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
            let planes = segment(
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
