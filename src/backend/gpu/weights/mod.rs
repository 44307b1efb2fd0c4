//! Weights on the device.

pub mod repack;

use self::repack::{BLOCK, Layout, PlaneOffsets};
use crate::{backend::gpu::shader::uniform, tensor::Weight};

/// The number that stands for a vector where there is none, as `shaders/lib/rope.wgsl` has it.
pub const NONE: u32 = u32::MAX;

/// The bytes of a weight on the device.
#[derive(Debug)]
pub enum Buf {
    /// A norm or a bias, as f32.
    Vector {
        /// Where it begins in the one buffer that holds them all, in f32.
        at: usize,
    },
    /// A matrix, in buffers of its own.
    Matrix(Matrix),
}

/// A matrix on the device.
#[derive(Debug)]
pub struct Matrix {
    /// A number that no other matrix of the backend has.
    pub id: u32,
    /// How its format lies in a buffer.
    pub layout: Layout,
    /// One part, but for a matrix that is larger than a shader can see at once.
    pub parts: Vec<Part>,
}

/// Rows `first_row .. first_row + rows` of a matrix.
#[derive(Debug)]
pub struct Part {
    /// The first row.
    pub first_row: usize,
    /// The number of rows.
    pub rows: usize,
    /// Where its planes lie in `buffer`.
    pub planes: PlaneOffsets,
    /// Its bytes.
    pub buffer: wgpu::Buffer,
}

uniform! {
    /// Where the planes of a weight begin: `shaders/lib/planes.wgsl`.
    pub struct Planes {
        /// Blocks of 32 columns in a row.
        pub blocks: u32,
        /// Where the plane of high bits begins, in words.
        pub high_at: u32,
        /// Where the plane of scales begins, in words.
        pub scales_at: u32,
        /// Where the plane of the scales of scales begins, in words; or the bits of the factor of
        /// the weight, in the layout that has one.
        pub super_scales_at: u32,
    }
}

impl Part {
    /// Returns what a shader knows of the part of `weight`.
    pub fn planes(&self, weight: &Weight<Buf>) -> Planes {
        let [_, high_at, scales_at, super_scales_at] = self.planes.at.map(|at| (at / 4) as u32);
        Planes {
            blocks: (weight.cols / BLOCK) as u32,
            high_at,
            scales_at,
            super_scales_at: match Layout::of(weight.dtype).has_factor() {
                true => weight.factor.to_bits(),
                false => super_scales_at,
            },
        }
    }
}

/// Returns the matrix of a weight that is one.
pub fn matrix(weight: &Weight<Buf>) -> Option<&Matrix> {
    match &weight.buf {
        Buf::Matrix(matrix) => Some(matrix),
        Buf::Vector { .. } => None,
    }
}

/// Returns the number of a matrix; 0 for a vector, after which no recording is named.
pub fn id(weight: &Weight<Buf>) -> u32 {
    matrix(weight).map_or(0, |matrix| matrix.id)
}

/// Returns where a vector begins in the buffer of all vectors, in vec4; [`NONE`] without one.
pub fn vector_at(weight: Option<&Weight<Buf>>) -> u32 {
    match weight.map(|weight| &weight.buf) {
        Some(Buf::Vector { at }) => (at / 4) as u32,
        _ => NONE,
    }
}
