//! Repacking: a file's blocks of weights, taken apart into planes that a shader reads in whole
//! words: quants, high bits, scales, and scales of scales.
//!
//! The bits are the file's own, so that nothing is rounded, and the planes take no more room than
//! the blocks (Q3_K, Q4_K, Q5_K and Q6_K: 1 to 4% more). The formats of a codebook (IQ1 to IQ4, TQ,
//! MXFP4, NVFP4, Q1_0) become one of two layouts, of 4.6 or 5 bits a weight: a number of 4 bits,
//! and the values that it may stand for.

use crate::quant::{
    BlockQ2K, BlockQ3K, BlockQ4K, BlockQ5K, BlockQ6K, DType, F16, Quants, scale_and_min,
};

/// Columns of a block, in every format.
pub const BLOCK: usize = 32;

/// How a format lies in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The name of its file, `shaders/quant/NAME.wgsl`.
    pub name: &'static str,
    /// The bytes of each plane for 8 blocks.
    planes: [usize; 4],
    /// Whether quants are the numbers of values, which lie in place of the plane of high bits, once
    /// for the weight.
    has_codebook: bool,
}

/// The bytes of the values that quants of 4 bits are numbers of.
const CODEBOOK_BYTES: usize = 16;

/// Where the planes of a weight lie.
#[derive(Clone, Copy, Debug)]
pub struct PlaneOffsets {
    /// Where each plane begins, in bytes.
    pub at: [usize; 4],
    /// The bytes of all planes.
    pub size_bytes: usize,
}

impl Layout {
    /// Returns how this format lies in a buffer.
    pub fn of(dtype: DType) -> Self {
        let (name, planes) = match dtype {
            DType::F32 => ("f32", [1024, 0, 0, 0]),
            DType::F16 => ("f16", [512, 0, 0, 0]),
            DType::BF16 => ("bf16", [512, 0, 0, 0]),
            DType::Q4_0 => ("q4_0", [128, 0, 16, 0]),
            DType::Q4_1 => ("q4_1", [128, 0, 32, 0]),
            DType::Q5_0 => ("q5_0", [128, 32, 16, 0]),
            DType::Q5_1 => ("q5_1", [128, 32, 32, 0]),
            DType::Q8_0 => ("q8_0", [256, 0, 16, 0]),
            DType::Q2K => ("q2_k", [64, 0, 16, 4]),
            DType::Q3K => ("q3_k", [64, 32, 16, 2]),
            DType::Q4K => ("q4_k", [128, 0, 16, 4]),
            DType::Q5K => ("q5_k", [128, 32, 16, 4]),
            DType::Q6K => ("q6_k", [128, 64, 16, 2]),
            DType::IQ4NL | DType::MXFP4 | DType::NVFP4 | DType::Q1_0 => {
                ("codebook", [128, 0, 32, 0])
            }
            DType::IQ4XS
            | DType::IQ3XXS
            | DType::IQ3S
            | DType::IQ2XXS
            | DType::IQ2XS
            | DType::IQ2S
            | DType::IQ1S
            | DType::IQ1M
            | DType::TQ1_0
            | DType::TQ2_0 => ("codebook_k", [128, 0, 16, 4]),
        };
        Self {
            name,
            planes,
            has_codebook: dtype.codebook().is_some(),
        }
    }

    /// Returns whether its quants are bytes, which `shaders/lib/input.wgsl` multiplies in
    /// integers.
    pub fn has_bytes(&self) -> bool {
        !matches!(self.name, "bf16" | "f16" | "f32")
    }

    /// Returns whether all its numbers are within the range of an f16.
    pub fn fits_f16(&self) -> bool {
        !matches!(self.name, "bf16" | "f32")
    }

    /// Returns whether its shader multiplies by the weight's factor.
    pub fn has_factor(&self) -> bool {
        self.name == "codebook"
    }

    /// Returns where the planes of a weight of so many blocks, a multiple of 8, lie.
    pub fn planes(&self, blocks: usize) -> PlaneOffsets {
        let mut at = [0; 4];
        let mut size_bytes = 0;
        for (i, (at, plane)) in at.iter_mut().zip(self.planes).enumerate() {
            *at = size_bytes;
            // Eights come first: on wasm, planes of 2^29 bytes times 8 are beyond a usize.
            size_bytes += (blocks.div_ceil(8) * plane).next_multiple_of(16);
            if i == 1 && self.has_codebook {
                size_bytes += CODEBOOK_BYTES;
            }
        }
        PlaneOffsets { at, size_bytes }
    }

    /// Returns the bytes of each plane before block number `blocks`, a multiple of 8.
    pub fn offsets(&self, blocks: usize) -> [usize; 4] {
        self.planes.map(|plane| blocks / 8 * plane)
    }
}

/// Takes `bytes` of whole blocks apart. Each plane is padded to whole words.
pub fn repack(dtype: DType, bytes: &[u8]) -> [Vec<u8>; 4] {
    let mut planes: [Vec<u8>; 4] = Default::default();
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => planes[0] = bytes.to_vec(),
        _ => {
            let blocks = bytes.len() / dtype.block_bytes() * dtype.block_len() / BLOCK;
            let mut quants = vec![Quants::default(); blocks];
            dtype.quants(bytes, &mut quants);
            if let Some(codebook) = dtype.codebook() {
                with_codebook(dtype, codebook, bytes, &quants, &mut planes);
            } else {
                for quants in &quants {
                    push_quants(dtype, quants, &mut planes);
                }
                scales(dtype, bytes, &quants, &mut planes);
            }
        }
    }
    for plane in &mut planes {
        plane.resize(plane.len().next_multiple_of(4), 0);
    }
    planes
}

/// Returns the bits of a quant, and what is added to make it positive.
fn bits_and_offset(dtype: DType) -> (u32, i8) {
    match dtype {
        DType::Q4_0 => (4, 8),
        DType::Q5_0 => (5, 16),
        DType::Q6K => (6, 32),
        DType::Q2K => (2, 0),
        DType::Q3K => (3, 4),
        DType::Q5_1 | DType::Q5K => (5, 0),
        DType::Q8_0 => (8, 0),
        _ => (4, 0),
    }
}

fn push_quants(dtype: DType, quants: &Quants, planes: &mut [Vec<u8>; 4]) {
    let (bits, offset) = bits_and_offset(dtype);
    let q = quants.q.map(|q| (q + offset) as u8);
    if bits == 8 {
        return planes[0].extend_from_slice(&q);
    }
    if bits < 4 {
        planes[0].extend(crumbs(&q));
    } else {
        planes[0].extend(nibbles(&q));
    }
    match bits {
        3 => planes[1].extend(high_bits(&q.map(|q| q >> 2))),
        5 => planes[1].extend(high_bits(&q.map(|q| q >> 4))),
        6 => planes[1].extend(crumbs(&q.map(|q| q >> 4))),
        _ => {}
    }
}

/// Fills the planes of a format with a codebook: the numbers of values, the values, and scales as
/// the file has them, or as f16 of 16 columns, which hold all that the file can say (of a power of
/// two, those from 2^-24 on).
fn with_codebook(
    dtype: DType,
    codebook: &[i8; 16],
    bytes: &[u8],
    quants: &[Quants],
    planes: &mut [Vec<u8>; 4],
) {
    let mut numbers = [0; 256];
    for (number, &value) in (0_u8..).zip(codebook) {
        numbers[usize::from(value as u8)] = number;
    }
    for quants in quants {
        planes[0].extend(nibbles(&quants.q.map(|q| numbers[usize::from(q as u8)])));
    }
    planes[1].extend(codebook.map(|value| value as u8));
    if dtype.block_len() == 256 {
        dtype.each_scale(bytes, &mut |scale, steps| {
            planes[2].extend(steps.map(|step| step as u8));
            planes[3].extend(scale.to_le_bytes());
        });
    } else {
        for quants in quants {
            planes[2].extend(
                quants
                    .scale
                    .map(|scale| F16::from_f32(scale).0)
                    .as_flattened(),
            );
        }
    }
}

/// Packs four bits of each quant as lib/nibbles.wgsl reads them: byte i holds columns i and 16 + i.
fn nibbles(q: &[u8; 32]) -> [u8; 16] {
    std::array::from_fn(|i| q[i] & 15 | q[16 + i] << 4)
}

/// Packs two bits of each quant as lib/crumbs.wgsl reads them: bits 2 m and 2 m + 1 of byte i of
/// each half belong to column 4 m + i.
fn crumbs(q: &[u8; 32]) -> [u8; 8] {
    std::array::from_fn(|i| {
        let half = &q[i / 4 * 16..][..16];
        (0..4).fold(0, |byte, m| byte | (half[4 * m + i % 4] & 3) << (2 * m))
    })
}

/// Packs a bit of each quant as lib/fifth_bits.wgsl reads it: bit m of byte i belongs to column
/// 4 m + i.
fn high_bits(q: &[u8; 32]) -> [u8; 4] {
    std::array::from_fn(|i| (0..8).fold(0, |byte, m| byte | (q[4 * m + i] & 1) << m))
}

fn scales(dtype: DType, bytes: &[u8], quants: &[Quants], planes: &mut [Vec<u8>; 4]) {
    match dtype {
        DType::Q2K => {
            for block in bytemuck::cast_slice::<u8, BlockQ2K>(bytes) {
                planes[2].extend(block.scales);
                planes[3].extend([block.d.0, block.dmin.0].as_flattened());
            }
        }
        DType::Q3K => {
            for block in bytemuck::cast_slice::<u8, BlockQ3K>(bytes) {
                planes[2].extend((0..16).map(|group| block.scale(group) as u8));
                planes[3].extend(block.d.0);
            }
        }
        DType::Q4K => {
            for block in bytemuck::cast_slice::<u8, BlockQ4K>(bytes) {
                planes[2].extend(
                    (0..8).flat_map(|group| <[u8; 2]>::from(scale_and_min(&block.scales, group))),
                );
                planes[3].extend([block.d.0, block.dmin.0].as_flattened());
            }
        }
        DType::Q5K => {
            for block in bytemuck::cast_slice::<u8, BlockQ5K>(bytes) {
                planes[2].extend(
                    (0..8).flat_map(|group| <[u8; 2]>::from(scale_and_min(&block.scales, group))),
                );
                planes[3].extend([block.d.0, block.dmin.0].as_flattened());
            }
        }
        DType::Q6K => {
            for block in bytemuck::cast_slice::<u8, BlockQ6K>(bytes) {
                planes[2].extend(block.scales.map(|scale| scale as u8));
                planes[3].extend(block.d.0);
            }
        }
        DType::Q4_1 | DType::Q5_1 => {
            for quants in quants {
                planes[2].extend(
                    [
                        F16::from_f32(quants.scale[0]).0,
                        F16::from_f32(-quants.minimum[0]).0,
                    ]
                    .as_flattened(),
                );
            }
        }
        _ => planes[2].extend(
            quants
                .iter()
                .flat_map(|quants| F16::from_f32(quants.scale[0]).0),
        ),
    }
}
