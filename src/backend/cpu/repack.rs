//! Quantized matrices are repacked while they load: eight rows are interleaved for the dot product
//! kernels.
//!
//! A block holds 32 columns of 8 rows. Its quants (integers) are cut into eight chunks of four
//! columns, and a vector of 32 bytes has four bytes of each row. What one 32-bit lane multiplies
//! belongs to one row, so a dot product with the same four activations in every lane yields sums of
//! rows and needs no horizontal addition.
//!
//! ```text
//! header       8 x f16 scale       (once for 32 columns, or for columns 0..16 and 16..32)
//!              8 x f16 minimum     (where the format has one: as many as scales)
//! vectors      one for each bit of a quant; byte 4r + t of a vector belongs to row r,
//!              column 4 * chunk + t
//!
//! 2 bits   vector j: chunks 4j to 4j + 3, each above the one before it
//! 3 bits   vector j: chunk j in bits 0..3, chunk 4 + j in bits 4..7; bits 3 and 7 are such that
//!          (v0 >> 3) ^ (v1 >> 2) ^ (v2 >> 1) has chunk 3 and chunk 7 there
//! 4 bits   vector j: chunk 2j, chunk 2j + 1 above it
//! 5 bits   vector j: chunk j, and in the three bits above it a part of chunk 5 (vectors 0 and 1),
//!          6 (2 and 3) or 7 (4, 1 and 3)
//! 6 bits   vector j: chunk j, and in the two bits above it a part of chunk 6 (vectors 0 to 2)
//!          or 7 (3 to 5)
//! 8 bits   vector j: chunk j, signed
//! ```
//!
//! A chunk in the low bits of its bytes costs a kernel one instruction, so as few chunks as can be
//! are put together from parts. A value is `scale * (q - offset)`, or `scale * q - minimum` where
//! the format has minimums, or `scale * codebook[q]` where it has a codebook (IQ1 to IQ4, TQ,
//! MXFP4, NVFP4, Q1_0): all of those are 4 bits, which the kernels look up in a register.

use super::{
    pack::{pack, to_f16, unpack},
    pool::{Pool, SharedMut},
    simd::{Kernel, Simd, with_dots},
};
use crate::{
    Code, Error, Result,
    backend::GROUP_ROWS,
    quant::{DType, Quants},
};
use half::f16;

/// A block has this number of columns, like a block of Q4_0.
pub const BLOCK: usize = 32;

/// A row is unpacked by this number of blocks, 256 columns: the block of the K formats.
const PIECE_BLOCKS: usize = 8;

/// A vector has this size in bytes: four quants of each row of a group.
pub const VECTOR_BYTES: usize = 4 * GROUP_ROWS;

/// Holds the layout of a block, on which the kernels are specialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Counts the bits of a quant: 2 to 6 (unsigned) or 8 (signed).
    pub bits: u32,
    /// Counts the scales (and the minimums) of a row's 32 columns: 1 or 2.
    pub halves: usize,
    /// Says whether the format has minimums.
    pub minimum: bool,
    /// Says whether a quant is the number of a value in the format's codebook.
    pub codebook: bool,
}

impl Layout {
    /// Returns the layout of a format; `None` for the types that stay floats.
    pub fn of(dtype: DType) -> Option<Layout> {
        if dtype.codebook().is_some() {
            return Some(Layout {
                bits: 4,
                halves: match dtype {
                    DType::IQ2XS | DType::IQ2S | DType::IQ1M | DType::NVFP4 => 2,
                    _ => 1,
                },
                minimum: false,
                codebook: true,
            });
        }
        let (bits, halves, minimum) = match dtype {
            DType::Q4_0 => (4, 1, false),
            DType::Q4_1 | DType::Q4K => (4, 1, true),
            DType::Q5_0 => (5, 1, false),
            DType::Q5_1 | DType::Q5K => (5, 1, true),
            DType::Q8_0 => (8, 1, false),
            DType::Q6K => (6, 2, false),
            DType::Q3K => (3, 2, false),
            DType::Q2K => (2, 2, true),
            _ => return None,
        };
        Some(Layout {
            bits,
            halves,
            minimum,
            codebook: false,
        })
    }

    /// Returns whether a kernel multiplies signed bytes.
    pub const fn is_signed(self) -> bool {
        self.codebook || self.bits == 8
    }

    /// Returns the size in bytes of a block's scales and minimums.
    pub const fn header_bytes(self) -> usize {
        2 * GROUP_ROWS * self.halves * (1 + self.minimum as usize)
    }

    /// Returns the size of a block in bytes.
    pub const fn block_bytes(self) -> usize {
        self.header_bytes() + VECTOR_BYTES * self.bits as usize
    }

    /// Returns the size in bytes of a matrix.
    pub const fn matrix_bytes(self, rows: usize, cols: usize) -> u64 {
        (rows.div_ceil(GROUP_ROWS) as u64)
            .saturating_mul((cols / BLOCK) as u64)
            .saturating_mul(self.block_bytes() as u64)
    }

    /// Returns what is subtracted from an unsigned quant where there is no minimum.
    pub const fn offset(self) -> i32 {
        if self.minimum || self.is_signed() {
            0
        } else {
            1 << (self.bits - 1)
        }
    }
}

/// Holds a quantized matrix of `rows.div_ceil(8)` groups, each of `cols / 32` blocks.
pub struct RepackedMatrix {
    /// Holds the layout of its blocks.
    pub layout: Layout,
    /// Holds the values of the format, if quants are their numbers.
    pub codebook: [i8; 16],
    cols: usize,
    /// Holds the blocks of the rows that were written. An element has 16 bytes, so that every
    /// vector is aligned.
    data: Vec<u128>,
}

impl RepackedMatrix {
    /// Allocates a matrix of a format with this layout, whose rows are then written in order;
    /// `cols` is a multiple of [`BLOCK`].
    ///
    /// # Errors
    /// `out_of_memory`.
    pub fn new(dtype: DType, layout: Layout, rows: usize, cols: usize) -> Result<RepackedMatrix> {
        let size_bytes = layout.matrix_bytes(rows, cols);
        let mut data = Vec::new();
        usize::try_from(size_bytes / 16)
            .ok()
            .and_then(|vectors| data.try_reserve_exact(vectors).ok())
            .ok_or_else(|| {
                Error::new(
                    Code::OutOfMemory,
                    format!(
                        "There is no memory for {size_bytes} bytes of weights. Close other tabs, \
                         or choose a smaller model."
                    ),
                )
            })?;
        Ok(RepackedMatrix {
            layout,
            codebook: dtype.codebook().copied().unwrap_or_default(),
            cols,
            data,
        })
    }

    /// Returns the memory that the matrix takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.data.capacity() * 16
    }

    /// Returns the number of blocks of a row.
    pub fn blocks(&self) -> usize {
        self.cols / BLOCK
    }

    fn group_bytes(&self) -> usize {
        self.blocks() * self.layout.block_bytes()
    }

    /// Returns the blocks of group `group`.
    pub fn group(&self, group: usize) -> &[u8] {
        let size = self.group_bytes();
        &bytemuck::cast_slice(&self.data)[group * size..][..size]
    }

    /// Repacks whole rows of `dtype`, the first of which becomes row `first_row`, a multiple of
    /// [`GROUP_ROWS`]. The threads share the groups. Each row is written once.
    pub fn write(&mut self, pool: &Pool, dtype: DType, first_row: usize, bytes: &[u8]) {
        match self.layout.bits {
            2 => self.write_bits::<2>(pool, dtype, first_row, bytes),
            3 => self.write_bits::<3>(pool, dtype, first_row, bytes),
            4 => self.write_bits::<4>(pool, dtype, first_row, bytes),
            5 => self.write_bits::<5>(pool, dtype, first_row, bytes),
            6 => self.write_bits::<6>(pool, dtype, first_row, bytes),
            _ => self.write_bits::<8>(pool, dtype, first_row, bytes),
        }
    }

    fn write_bits<const BITS: u32>(
        &mut self,
        pool: &Pool,
        dtype: DType,
        first_row: usize,
        bytes: &[u8],
    ) {
        let group_bytes = self.group_bytes();
        let row_bytes = self.cols / dtype.block_len() * dtype.block_bytes();
        let piece_bytes = PIECE_BLOCKS * BLOCK / dtype.block_len() * dtype.block_bytes();
        let layout = self.layout;
        let groups = (bytes.len() / row_bytes).div_ceil(GROUP_ROWS);
        // Memory is first written here, where it stays in the cache until the blocks are.
        let end = (first_row / GROUP_ROWS + groups) * group_bytes / 16;
        self.data.resize(end.max(self.data.len()), 0);
        let data: &mut [u8] = bytemuck::cast_slice_mut(&mut self.data);
        let numbers = numbers(&self.codebook);
        let data = SharedMut::new(&mut data[first_row / GROUP_ROWS * group_bytes..]);
        pool.split(groups, |range| {
            // A constant, so that `pack` is compiled for it.
            let layout = Layout {
                bits: BITS,
                ..layout
            };
            let mut quants = [Quants::default(); PIECE_BLOCKS];
            // SAFETY: the blocks of a group belong to one item.
            let out = unsafe { data.slice(range.start * group_bytes..range.end * group_bytes) };
            let rows = &bytes[range.start * GROUP_ROWS * row_bytes..];
            for (out, rows) in out
                .chunks_exact_mut(group_bytes)
                .zip(rows.chunks(GROUP_ROWS * row_bytes))
            {
                for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
                    let pieces = out.chunks_mut(PIECE_BLOCKS * layout.block_bytes());
                    for (blocks, piece) in pieces.zip(row.chunks(piece_bytes)) {
                        let blocks = blocks.chunks_exact_mut(layout.block_bytes());
                        let quants = &mut quants[..blocks.len()];
                        dtype.quants(piece, quants);
                        for (block, quants) in blocks.zip(quants) {
                            if layout.codebook {
                                quants.q = quants.q.map(|q| numbers[usize::from(q as u8)]);
                            }
                            put(layout, block, lane, quants);
                        }
                    }
                }
            }
        });
    }

    /// Writes row `row` to `out` as f32 `[cols]`.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        let (group, lane, stride) = (
            row / GROUP_ROWS,
            row % GROUP_ROWS,
            self.layout.block_bytes(),
        );
        for (block, out) in self
            .group(group)
            .chunks_exact(stride)
            .zip(out.chunks_exact_mut(BLOCK))
        {
            get(self.layout, &self.codebook, block, lane, out);
        }
    }
}

/// Works on a repacked matrix; the kernel is compiled for each layout.
pub trait RepackedKernel: Sized {
    /// Runs the kernel.
    ///
    /// # Safety
    /// The constants are those of the matrix' layout, and the caller keeps the contract of
    /// [`Simd`].
    unsafe fn run<
        S: Simd,
        const BITS: u32,
        const HALVES: usize,
        const MINIMUM: bool,
        const CODEBOOK: bool,
    >(
        self,
    );
}

/// Returns the number of each value of a codebook, by the value's byte.
fn numbers(codebook: &[i8; 16]) -> [i8; 256] {
    let mut numbers = [0; 256];
    for (number, &value) in codebook.iter().enumerate().rev() {
        numbers[usize::from(value as u8)] = number as i8;
    }
    numbers
}

struct For<K, const BITS: u32, const HALVES: usize, const MINIMUM: bool, const CODEBOOK: bool>(K);

impl<
    K: RepackedKernel,
    const BITS: u32,
    const HALVES: usize,
    const MINIMUM: bool,
    const CODEBOOK: bool,
> Kernel for For<K, BITS, HALVES, MINIMUM, CODEBOOK>
{
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller keeps the contract of this function.
        unsafe { self.0.run::<S, BITS, HALVES, MINIMUM, CODEBOOK>() }
    }
}

/// Runs the kernel as compiled for `layout`, the layout of its matrix.
pub fn with_layout<K: RepackedKernel>(layout: Layout, kernel: K) {
    match (layout.bits, layout.halves, layout.minimum, layout.codebook) {
        (4, 1, false, false) => with_dots(For::<K, 4, 1, false, false>(kernel)),
        (4, 1, true, false) => with_dots(For::<K, 4, 1, true, false>(kernel)),
        (5, 1, false, false) => with_dots(For::<K, 5, 1, false, false>(kernel)),
        (5, 1, true, false) => with_dots(For::<K, 5, 1, true, false>(kernel)),
        (6, 2, false, false) => with_dots(For::<K, 6, 2, false, false>(kernel)),
        (8, 1, false, false) => with_dots(For::<K, 8, 1, false, false>(kernel)),
        (3, 2, false, false) => with_dots(For::<K, 3, 2, false, false>(kernel)),
        (2, 2, true, false) => with_dots(For::<K, 2, 2, true, false>(kernel)),
        (4, 1, false, true) => with_dots(For::<K, 4, 1, false, true>(kernel)),
        (4, 2, false, true) => with_dots(For::<K, 4, 2, false, true>(kernel)),
        other => unreachable!("no layout {other:?}"),
    }
}

#[inline(always)]
fn put(layout: Layout, block: &mut [u8], lane: usize, quants: &Quants) {
    let (header, vectors) = block.split_at_mut(layout.header_bytes());
    let minimums = if layout.minimum {
        &quants.minimum[..layout.halves]
    } else {
        &[]
    };
    for (header, &x) in header
        .chunks_exact_mut(2 * GROUP_ROWS)
        .zip(quants.scale[..layout.halves].iter().chain(minimums))
    {
        header[2 * lane..][..2].copy_from_slice(&to_f16(x).to_le_bytes());
    }
    // To an integer of so few bits, the offset is added by turning its top bit. That is done by the
    // word, for bytes would be put together one by one.
    let (offset, bits) = match layout.offset() as u8 {
        0 => (0, u8::MAX),
        offset => (offset, 2 * offset - 1),
    };
    let [offset, bits] = [offset, bits].map(|byte| u32::from_ne_bytes([byte; 4]));
    let chunks = bytemuck::cast::<_, [u32; 8]>(quants.q).map(|q| (u32::from_le(q) ^ offset) & bits);
    for (vector, word) in vectors
        .chunks_exact_mut(VECTOR_BYTES)
        .zip(pack(layout.bits, chunks))
    {
        vector[4 * lane..][..4].copy_from_slice(&word.to_le_bytes());
    }
}

fn get(layout: Layout, codebook: &[i8; 16], block: &[u8], lane: usize, out: &mut [f32]) {
    let (header, vectors) = block.split_at(layout.header_bytes());
    let half = |i: usize| {
        let at = 2 * (GROUP_ROWS * i + lane);
        f16::from_le_bytes([header[at], header[at + 1]]).to_f32()
    };
    let mut words = [0; 8];
    for (word, vector) in words.iter_mut().zip(vectors.chunks_exact(VECTOR_BYTES)) {
        *word = u32::from_le_bytes(std::array::from_fn(|t| vector[4 * lane + t]));
    }
    let chunks = unpack(layout.bits, words);
    for (k, out) in out.iter_mut().enumerate() {
        let h = if layout.halves == 2 { k / 16 } else { 0 };
        let q = chunks[k / 4].to_le_bytes()[k % 4];
        let q = if layout.codebook {
            i32::from(codebook[usize::from(q)])
        } else if layout.bits == 8 {
            i32::from(q as i8)
        } else {
            i32::from(q)
        };
        *out = half(h) * (q - layout.offset()) as f32
            - if layout.minimum {
                half(layout.halves + h)
            } else {
                0.0
            };
    }
}
