//! How quantized matrices lie in memory for the dot kernels: four rows interleaved, repacked while they load.
//!
//! A block holds 32 columns of 4 rows. The four bytes that one 32-bit lane of a vector multiplies belong to one row, so a
//! dot with the same four activations in every lane yields four rows' sums and needs no horizontal addition:
//!
//! ```text
//! header       4 x f32 scale                            (one scale a row, no minimum)
//!           or 4 x f16 scale, 4 x f16 second            (second: the minimum, or the scale of columns 16..32)
//!           or 4 x f16 scale x 2, 4 x f16 minimum x 2   (both)
//! nibbles   4 x 16 bytes; byte 4r + t of vector j: row r, column 8j + t in the low bits, column 8j + 4 + t in the high
//! planes    the fifth bits (16 bytes) or the fifth and sixth (2 x 16 bytes): same byte order
//! ```
//!
//! With 8 bits there are no nibbles: 8 x 16 signed bytes; byte 4r + t of vector i is row r, column 4i + t.
//! A value is `scale * (level - OFFSET)`, or `scale * level - minimum` where the format has minimums.

use crate::{
    Code, Error, Result,
    backend::GROUP_ROWS,
    quant::{DType, Levels},
};
use half::f16;

/// Columns of a block.
pub const BLOCK: usize = 32;

/// What the kernels are specialised on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bits of a level: 4, 5, 6 (unsigned) or 8 (signed).
    pub bits: u32,
    /// Scales (and minimums) in a row's 32 columns: 1 or 2.
    pub halves: usize,
    pub minimum: bool,
}

impl Layout {
    /// None for the formats that stay floats.
    pub fn of(dtype: DType) -> Option<Layout> {
        let (bits, halves, minimum) = match dtype {
            DType::F32 | DType::F16 | DType::BF16 => return None,
            DType::Q4_0 => (4, 1, false),
            DType::Q4_1 | DType::Q4K => (4, 1, true),
            DType::Q5_0 => (5, 1, false),
            DType::Q5_1 | DType::Q5K => (5, 1, true),
            DType::Q8_0 => (8, 1, false),
            DType::Q6K => (6, 2, false),
            DType::Q3K => (4, 2, false),
            DType::Q2K => (4, 2, true),
        };
        Some(Layout { bits, halves, minimum })
    }

    pub const fn header_bytes(self) -> usize {
        if self.halves == 2 && self.minimum { 32 } else { 16 }
    }

    pub const fn block_bytes(self) -> usize {
        self.header_bytes() + GROUP_ROWS * BLOCK / 8 * self.bits as usize
    }

    /// What is taken off an unsigned level where there is no minimum.
    pub const fn offset(self) -> i32 {
        if self.minimum || self.bits == 8 { 0 } else { 1 << (self.bits - 1) }
    }
}

/// A matrix of `rows.div_ceil(4)` groups, each `cols / 32` blocks.
pub struct Packed {
    pub layout: Layout,
    rows: usize,
    cols: usize,
    /// 16 bytes an element, so that every vector is aligned.
    data: Vec<u128>,
}

impl Packed {
    pub fn new(layout: Layout, rows: usize, cols: usize) -> Result<Packed> {
        let vectors = rows.div_ceil(GROUP_ROWS) * (cols / BLOCK) * (layout.block_bytes() / 16);
        let mut data = Vec::new();
        data.try_reserve_exact(vectors).map_err(|_| {
            Error::new(
                Code::OutOfMemory,
                format!("There is no memory for {} bytes of weights. Close other tabs, or choose a smaller model.", vectors * 16),
            )
        })?;
        data.resize(vectors, 0);
        Ok(Packed { layout, rows, cols, data })
    }

    pub fn size_bytes(&self) -> usize {
        self.data.len() * 16
    }

    pub fn groups(&self) -> usize {
        self.rows.div_ceil(GROUP_ROWS)
    }

    pub fn blocks(&self) -> usize {
        self.cols / BLOCK
    }

    fn group_bytes(&self) -> usize {
        self.blocks() * self.layout.block_bytes()
    }

    /// The blocks of group `group`.
    pub fn group(&self, group: usize) -> &[u8] {
        let size = self.group_bytes();
        &bytemuck::cast_slice(&self.data)[group * size..][..size]
    }

    fn block_mut(&mut self, group: usize, block: usize) -> &mut [u8] {
        let (size, stride) = (self.group_bytes(), self.layout.block_bytes());
        &mut bytemuck::cast_slice_mut(&mut self.data)[group * size + block * stride..][..stride]
    }

    /// Repacks whole rows of `dtype`, the first of them `first_row`. Each row is written once.
    pub fn write(&mut self, dtype: DType, first_row: usize, bytes: &[u8]) {
        let row_bytes = self.cols / dtype.block_len() * dtype.block_bytes();
        let mut levels = vec![Levels::default(); self.blocks()];
        for (i, row) in bytes.chunks_exact(row_bytes).enumerate() {
            dtype.levels(row, &mut levels);
            let (group, lane) = ((first_row + i) / GROUP_ROWS, (first_row + i) % GROUP_ROWS);
            for (b, level) in levels.iter().enumerate() {
                let layout = self.layout;
                put(layout, self.block_mut(group, b), lane, level);
            }
        }
    }

    /// Row `row` as f32 `[cols]`.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        let (group, lane, stride) = (row / GROUP_ROWS, row % GROUP_ROWS, self.layout.block_bytes());
        for (block, out) in self.group(group).chunks_exact(stride).zip(out.chunks_exact_mut(BLOCK)) {
            get(self.layout, block, lane, out);
        }
    }
}

/// Where column `k` of row `lane` has its nibble: (byte after the header, shift).
fn nibble_at(lane: usize, k: usize) -> (usize, u32) {
    (16 * (k / 8) + 4 * lane + k % 4, if k % 8 < 4 { 0 } else { 4 })
}

/// Where column `k` of row `lane` has its bits above the nibble: (byte after the nibbles, shift).
fn plane_at(bits: u32, lane: usize, k: usize) -> (usize, u32) {
    let (chunk, byte) = (k / 4, 4 * lane + k % 4);
    if bits == 5 { (byte, chunk as u32) } else { (16 * (chunk / 4) + byte, 2 * (chunk as u32 % 4)) }
}

fn put(layout: Layout, block: &mut [u8], lane: usize, levels: &Levels) {
    let (header, body) = block.split_at_mut(layout.header_bytes());
    if layout.halves == 1 && !layout.minimum {
        header[4 * lane..][..4].copy_from_slice(&levels.scale[0].to_le_bytes());
    } else {
        let minimums = if layout.minimum { &levels.minimum[..layout.halves] } else { &[] };
        for (i, &x) in levels.scale[..layout.halves].iter().chain(minimums).enumerate() {
            header[8 * i + 2 * lane..][..2].copy_from_slice(&f16::from_f32(x).to_le_bytes());
        }
    }
    for (k, &q) in levels.q.iter().enumerate() {
        let q = (i32::from(q) + layout.offset()) as u8;
        if layout.bits == 8 {
            body[16 * (k / 4) + 4 * lane + k % 4] = q;
            continue;
        }
        let (at, shift) = nibble_at(lane, k);
        body[at] |= (q & 15) << shift;
        if layout.bits > 4 {
            let (at, shift) = plane_at(layout.bits, lane, k);
            body[64 + at] |= (q >> 4) << shift;
        }
    }
}

fn get(layout: Layout, block: &[u8], lane: usize, out: &mut [f32]) {
    let (header, body) = block.split_at(layout.header_bytes());
    let half = |i: usize| f16::from_le_bytes([header[8 * i + 2 * lane], header[8 * i + 2 * lane + 1]]).to_f32();
    let single = || f32::from_le_bytes(std::array::from_fn(|i| header[4 * lane + i]));
    for (k, out) in out.iter_mut().enumerate() {
        let h = if layout.halves == 2 { k / 16 } else { 0 };
        let scale = if layout.halves == 1 && !layout.minimum { single() } else { half(h) };
        let minimum = if layout.minimum { half(layout.halves + h) } else { 0.0 };
        let level = if layout.bits == 8 {
            body[16 * (k / 4) + 4 * lane + k % 4] as i8 as i32
        } else {
            let (at, shift) = nibble_at(lane, k);
            let mut q = (body[at] >> shift) & 15;
            if layout.bits > 4 {
                let (at, shift) = plane_at(layout.bits, lane, k);
                q |= ((body[64 + at] >> shift) & if layout.bits == 5 { 1 } else { 3 }) << 4;
            }
            q as i32
        };
        *out = scale * (level - layout.offset()) as f32 - minimum;
    }
}
