//! A file's blocks of weights, taken apart into planes that a shader reads in whole words: levels, high bits, scales. The bits are the file's
//! own, so nothing is rounded, and the planes take no more room than the blocks (Q4_K, Q5_K and Q6_K: 1 to 3% more).

use crate::quant::{BlockQ4K, BlockQ5K, BlockQ6K, DType, F16, Quants, scale_and_min};

/// Columns of a block.
pub const BLOCK: usize = 32;

/// How a format lies in a buffer: bytes of each plane for 8 blocks of 32 columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `shaders/quant/NAME.wgsl`
    pub name: &'static str,
    planes: [usize; 4],
}

/// Where the planes of a weight begin, in bytes, and where they end.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub at: [usize; 4],
    pub size_bytes: usize,
}

impl Layout {
    /// None for a format that no shader reads.
    pub fn of(dtype: DType) -> Option<Self> {
        let (name, planes) = match dtype {
            DType::F32 => ("f32", [1024, 0, 0, 0]),
            DType::F16 => ("f16", [512, 0, 0, 0]),
            DType::Q4_0 => ("q4_0", [128, 0, 16, 0]),
            DType::Q4_1 => ("q4_1", [128, 0, 32, 0]),
            DType::Q5_0 => ("q5_0", [128, 32, 16, 0]),
            DType::Q5_1 => ("q5_1", [128, 32, 32, 0]),
            DType::Q8_0 => ("q8_0", [256, 0, 16, 0]),
            DType::Q4K => ("q4_k", [128, 0, 16, 4]),
            DType::Q5K => ("q5_k", [128, 32, 16, 4]),
            DType::Q6K => ("q6_k", [128, 64, 16, 2]),
            DType::BF16 | DType::Q2K | DType::Q3K => return None,
        };
        Some(Self { name, planes })
    }

    /// Whether its levels are bytes, which `shaders/shared/input.wgsl` has dots for.
    pub fn has_bytes(&self) -> bool {
        !matches!(self.name, "f16" | "f32")
    }

    /// The planes of so many blocks of 32 columns.
    pub fn planes(&self, blocks: usize) -> Planes {
        let mut at = [0; 4];
        let mut size_bytes = 0;
        for (at, plane) in at.iter_mut().zip(self.planes) {
            *at = size_bytes;
            size_bytes += (plane * blocks).div_ceil(8).next_multiple_of(16);
        }
        Planes { at, size_bytes }
    }

    /// Bytes of each plane before block number `blocks`, a multiple of 8.
    pub fn offsets(&self, blocks: usize) -> [usize; 4] {
        self.planes.map(|plane| plane * blocks / 8)
    }
}

/// Takes `bytes` of whole blocks apart; each plane's bytes are padded to whole words.
pub fn segment(dtype: DType, bytes: &[u8]) -> [Vec<u8>; 4] {
    let mut planes: [Vec<u8>; 4] = Default::default();
    match dtype {
        DType::F32 | DType::F16 => planes[0] = bytes.to_vec(),
        _ => {
            let blocks = bytes.len() / dtype.block_bytes() * dtype.block_len() / BLOCK;
            let mut levels = vec![Quants::default(); blocks];
            dtype.quants(bytes, &mut levels);
            for levels in &levels {
                push_levels(dtype, levels, &mut planes);
            }
            scales(dtype, bytes, &levels, &mut planes);
        }
    }
    for plane in &mut planes {
        plane.resize(plane.len().next_multiple_of(4), 0);
    }
    planes
}

/// Bits of a level, and what is added to make it positive.
fn level(dtype: DType) -> (u32, i8) {
    match dtype {
        DType::Q4_0 => (4, 8),
        DType::Q5_0 => (5, 16),
        DType::Q6K => (6, 32),
        DType::Q5_1 | DType::Q5K => (5, 0),
        DType::Q8_0 => (8, 0),
        _ => (4, 0),
    }
}

fn push_levels(dtype: DType, levels: &Quants, planes: &mut [Vec<u8>; 4]) {
    let (bits, offset) = level(dtype);
    let q = levels.q.map(|q| (q + offset) as u8);
    if bits == 8 {
        return planes[0].extend_from_slice(&q);
    }
    // shared/nibbles.wgsl: byte i holds columns i and 16 + i.
    planes[0].extend((0..16).map(|i| q[i] & 15 | q[16 + i] << 4));
    match bits {
        // shared/fifth_bits.wgsl: bit m of byte i belongs to column 4 m + i.
        5 => planes[1]
            .extend((0..4).map(|i| (0..8).fold(0, |byte, m| byte | (q[4 * m + i] >> 4) << m))),
        // quant/q6_k.wgsl: bits 2 m and 2 m + 1 of byte i of each half belong to column 4 m + i.
        6 => planes[1].extend((0..8).map(|i| {
            (0..4).fold(0, |byte, m| {
                byte | (q[i / 4 * 16 + 4 * m + i % 4] >> 4) << (2 * m)
            })
        })),
        _ => {}
    }
}

fn scales(dtype: DType, bytes: &[u8], levels: &[Quants], planes: &mut [Vec<u8>; 4]) {
    match dtype {
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
            for levels in levels {
                planes[2].extend(
                    [
                        F16::from_f32(levels.scale[0]).0,
                        F16::from_f32(-levels.minimum[0]).0,
                    ]
                    .as_flattened(),
                );
            }
        }
        _ => planes[2].extend(
            levels
                .iter()
                .flat_map(|levels| F16::from_f32(levels.scale[0]).0),
        ),
    }
}
