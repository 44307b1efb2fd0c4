//! Weights lie in memory as the CPU's kernels take them.

use super::{
    repack::{Layout, RepackedMatrix},
    simd::Simd,
    step::zeros,
};
use crate::{Result, quant::DType, tensor::Weight};
use half::{bf16, f16};

/// Holds the values of a weight.
pub enum Buf {
    /// Holds values of type F32: those of a matrix, and those of every vector (norms, biases),
    /// whatever its type in the file.
    F32(Vec<f32>),
    /// Holds the bits of values of type F16.
    F16(Vec<u16>),
    /// Holds the bits of values of type BF16.
    BF16(Vec<u16>),
    /// Holds a quantized matrix.
    Repacked(RepackedMatrix),
}

impl Buf {
    /// Allocates zeros, laid out for a weight of this type and shape.
    ///
    /// # Errors
    ///
    /// `out_of_memory`.
    pub(super) fn alloc(dtype: DType, rows: usize, cols: usize) -> Result<Self> {
        let is_matrix = rows > 1;
        Ok(match (dtype, Layout::of(dtype).filter(|_| is_matrix)) {
            (_, Some(layout)) => Self::Repacked(RepackedMatrix::new(dtype, layout, rows, cols)?),
            (DType::F16, _) if is_matrix => Self::F16(zeros(rows * cols, "weights")?),
            (DType::BF16, _) if is_matrix => Self::BF16(zeros(rows * cols, "weights")?),
            _ => Self::F32(zeros(rows * cols, "weights")?),
        })
    }

    /// Returns the memory that the values take, in bytes.
    pub fn size_bytes(&self) -> usize {
        match self {
            Buf::F32(data) => 4 * data.len(),
            Buf::F16(data) | Buf::BF16(data) => 2 * data.len(),
            Buf::Repacked(matrix) => matrix.size_bytes(),
        }
    }
}

impl Weight<Buf> {
    /// Returns a vector's values; none for a matrix of another type than F32, which no caller asks
    /// for.
    pub(super) fn vector(&self) -> &[f32] {
        match &self.buf {
            Buf::F32(data) => data,
            _ => &[],
        }
    }

    /// Writes row `row` to `out` as f32 `[cols]`.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        let floats = match &self.buf {
            Buf::F32(data) => Floats::F32(data),
            Buf::F16(data) => Floats::F16(data),
            Buf::BF16(data) => Floats::BF16(data),
            Buf::Repacked(matrix) => return matrix.row(row, out),
        };
        floats.copy(row * self.cols, out);
    }
}

/// Holds the values of a weight whose type is a float.
#[derive(Clone, Copy)]
pub enum Floats<'a> {
    /// Holds values of type F32.
    F32(&'a [f32]),
    /// Holds the bits of values of type F16.
    F16(&'a [u16]),
    /// Holds the bits of values of type BF16.
    BF16(&'a [u16]),
}

impl Floats<'_> {
    /// Returns whether the values are f32.
    pub(super) fn is_f32(self) -> bool {
        matches!(self, Floats::F32(_))
    }

    /// Writes elements `at .. at + out.len()` to `out` as f32.
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

    /// Loads four elements.
    ///
    /// # Safety
    /// Four elements can be read at `at`, and the caller keeps the contract of [`Simd`].
    #[inline(always)]
    pub(super) unsafe fn load<S: Simd>(self, at: usize) -> S::F32 {
        // SAFETY: the caller keeps the contract of this function.
        unsafe {
            match self {
                Floats::F32(data) => S::load_f32(data.as_ptr().add(at)),
                Floats::F16(data) => S::load_f16(data.as_ptr().add(at)),
                Floats::BF16(data) => S::load_bf16(data.as_ptr().add(at)),
            }
        }
    }
}
