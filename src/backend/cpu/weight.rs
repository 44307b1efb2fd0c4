//! Weights in memory.

use super::{repack::RepackedMatrix, simd::Simd};
use crate::tensor::Weight;
use half::{bf16, f16};

/// A weight in memory.
pub enum Buf {
    /// Also every vector (norms, biases), whatever its type in the file.
    F32(Vec<f32>),
    F16(Vec<u16>),
    BF16(Vec<u16>),
    Repacked(RepackedMatrix),
}

impl Buf {
    pub fn size_bytes(&self) -> usize {
        match self {
            Buf::F32(data) => 4 * data.len(),
            Buf::F16(data) | Buf::BF16(data) => 2 * data.len(),
            Buf::Repacked(packed) => packed.size_bytes(),
        }
    }
}

impl Weight<Buf> {
    /// A vector's values; empty for a packed matrix, which no caller asks for.
    pub(super) fn vector(&self) -> &[f32] {
        match &self.buf {
            Buf::F32(data) => data,
            _ => &[],
        }
    }

    /// Row `row` as f32 `[cols]`.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        let at = row * self.cols;
        match &self.buf {
            Buf::F32(data) => Floats::F32(data).copy(at, out),
            Buf::F16(data) => Floats::F16(data).copy(at, out),
            Buf::BF16(data) => Floats::BF16(data).copy(at, out),
            Buf::Repacked(packed) => packed.row(row, out),
        }
    }
}

#[derive(Clone, Copy)]
pub enum Floats<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    BF16(&'a [u16]),
}

impl Floats<'_> {
    /// Elements `at .. at + out.len()` as f32.
    pub fn copy(self, at: usize, out: &mut [f32]) {
        match self {
            Floats::F32(data) => out.copy_from_slice(&data[at..][..out.len()]),
            Floats::F16(data) => out
                .iter_mut()
                .zip(&data[at..])
                .for_each(|(y, &x)| *y = f16::from_bits(x).to_f32()),
            Floats::BF16(data) => out
                .iter_mut()
                .zip(&data[at..])
                .for_each(|(y, &x)| *y = bf16::from_bits(x).to_f32()),
        }
    }

    /// # Safety
    /// Four elements can be read at `at`.
    #[inline(always)]
    pub(super) unsafe fn load<S: Simd>(self, at: usize) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Floats::F32(data) => S::load_f32(data.as_ptr().add(at)),
                Floats::F16(data) => S::load_f16(data.as_ptr().add(at)),
                Floats::BF16(data) => S::load_bf16(data.as_ptr().add(at)),
            }
        }
    }
}
