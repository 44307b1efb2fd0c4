//! The kernel of a repacked matrix times several tokens (prefill) works on tiles of 8 rows by 4
//! tokens.
//!
//! Eight rows are unpacked once to a panel, with a byte for each quant, and then meet tile after
//! tile of tokens. A tile loads 6 vectors for 8 dot products, and its sums fit in 16 registers.

#![allow(
    clippy::needless_range_loop,
    reason = "a tile's arrays run in step, one index for all"
)]

use super::{
    operands::Output,
    unpack::{Masks, each_chunk, low_bits},
};
use crate::backend::{
    GROUP_ROWS,
    cpu::{
        quantize::{BlockQ8, QuantizedActivations, TILE, Tile},
        repack::{Layout, RepackedKernel, RepackedMatrix, VECTOR_BYTES},
        simd::{Simd, room},
    },
};
use std::{cell::RefCell, hint::black_box, ops::Range};

thread_local! {
    /// Holds the rows that a thread has unpacked. An element has 16 bytes, so that every vector is
    /// aligned.
    static PANEL: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) };
}

/// Multiplies the rows of some groups by every token.
pub(super) struct MatmulKernel<'a> {
    pub(super) matrix: &'a RepackedMatrix,
    pub(super) input: &'a QuantizedActivations,
    pub(super) output: Output<'a>,
    pub(super) groups: Range<usize>,
}

/// Returns the size in bytes of a panel's block: scales and minimums as f32 `[halves, 8]`, then
/// quants of 7 bits `[8 chunks, 8 rows, 4]`.
///
/// Signed quants, of 8 bits or of a codebook, are stored as unsigned bytes, where the dot product
/// takes them (`WHOLE`), or as their high bits, all chunks of them, and then their low bits.
const fn panel_block_bytes(layout: Layout) -> usize {
    2 * layout.header_bytes() + if layout.is_signed() { 16 } else { 8 } * VECTOR_BYTES
}

impl RepackedKernel for MatmulKernel<'_> {
    #[inline(always)]
    unsafe fn run<
        S: Simd,
        const BITS: u32,
        const HALVES: usize,
        const MINIMUM: bool,
        const CODEBOOK: bool,
    >(
        self,
    ) {
        // SAFETY: the caller keeps the contract of this function.
        unsafe {
            if (BITS == 8 || CODEBOOK) && !S::SUMS_PAIRS && S::dot7_takes_bytes() {
                self.all::<S, BITS, HALVES, MINIMUM, CODEBOOK, true>();
            } else {
                self.all::<S, BITS, HALVES, MINIMUM, CODEBOOK, false>();
            }
        }
    }
}

impl MatmulKernel<'_> {
    /// Multiplies all groups by all tokens.
    #[inline(always)]
    unsafe fn all<
        S: Simd,
        const BITS: u32,
        const HALVES: usize,
        const MINIMUM: bool,
        const CODEBOOK: bool,
        const WHOLE: bool,
    >(
        &self,
    ) {
        let layout = const {
            Layout {
                bits: BITS,
                halves: HALVES,
                minimum: MINIMUM,
                codebook: CODEBOOK,
            }
        };
        let blocks = self.matrix.blocks();
        // SAFETY: the caller keeps the contract of `S`.
        let masks = unsafe { Masks::<S>::new::<BITS>(&self.matrix.codebook) };
        PANEL.with_borrow_mut(|panel| {
            panel.resize(panel.len().max(blocks * panel_block_bytes(layout) / 16), 0);
            let panel = panel.as_mut_ptr().cast::<u8>();
            for group in self.groups.clone() {
                // SAFETY: the panel holds the same number of blocks as the group and each token.
                unsafe {
                    let weights = self.matrix.group(group).as_ptr();
                    for b in 0..blocks {
                        unpack::<S, BITS, HALVES, MINIMUM, CODEBOOK, WHOLE>(
                            weights.add(b * layout.block_bytes()),
                            panel.add(b * panel_block_bytes(layout)),
                            &masks,
                        );
                    }
                    for tile in 0..self.input.tiles() {
                        let x = self.input.tile(tile);
                        self.tile::<S, BITS, HALVES, MINIMUM, CODEBOOK, WHOLE>(panel, group, x);
                    }
                }
            }
        });
    }

    /// Multiplies eight rows by four tokens.
    #[inline(always)]
    unsafe fn tile<
        S: Simd,
        const BITS: u32,
        const HALVES: usize,
        const MINIMUM: bool,
        const CODEBOOK: bool,
        const WHOLE: bool,
    >(
        &self,
        panel: *const u8,
        group: usize,
        x: Tile,
    ) {
        let stride = panel_block_bytes(
            const {
                Layout {
                    bits: BITS,
                    halves: HALVES,
                    minimum: MINIMUM,
                    codebook: CODEBOOK,
                }
            },
        );
        // SAFETY: the panel and the tile hold the same number of blocks, and outliers are among
        // them.
        unsafe {
            let mut y = [[S::splat(0.0); 2]; TILE];
            for b in 0..self.matrix.blocks() {
                add_block::<S, BITS, HALVES, MINIMUM, CODEBOOK, WHOLE>(
                    &mut y,
                    panel.add(b * stride),
                    x.coarse.as_ptr().add(b * TILE),
                );
            }
            for &b in x.outliers {
                let b = b as usize;
                add_block::<S, BITS, HALVES, MINIMUM, CODEBOOK, WHOLE>(
                    &mut y,
                    panel.add(b * stride),
                    x.fine.as_ptr().add(b * TILE),
                );
            }
            for (t, y) in y.into_iter().enumerate().take(x.tokens) {
                self.output.put::<S>(x.first + t, group, y);
            }
        }
    }
}

/// Unpacks a block of eight rows to a panel.
#[inline(always)]
unsafe fn unpack<
    S: Simd,
    const BITS: u32,
    const HALVES: usize,
    const MINIMUM: bool,
    const CODEBOOK: bool,
    const WHOLE: bool,
>(
    block: *const u8,
    panel: *mut u8,
    masks: &Masks<S>,
) {
    let layout = const {
        Layout {
            bits: BITS,
            halves: HALVES,
            minimum: MINIMUM,
            codebook: CODEBOOK,
        }
    };
    // SAFETY: `block` and `panel` point at blocks of this layout.
    unsafe {
        for i in 0..layout.header_bytes() / 8 {
            S::store(
                panel.add(16 * i).cast(),
                S::load_f16(block.add(8 * i).cast()),
            );
        }
        let quants = panel.add(2 * layout.header_bytes());
        each_chunk::<S, BITS, false>(block.add(layout.header_bytes()), masks, |i, w| {
            for g in 0..2 {
                let to = quants.add(VECTOR_BYTES * i + 16 * g);
                let w = masks.values::<CODEBOOK>(w[g]);
                if WHOLE {
                    S::store_bytes(to, S::unsign(w));
                } else if layout.is_signed() {
                    let [high, low] = masks.cut(w);
                    S::store_bytes(to, high);
                    S::store_bytes(to.add(8 * VECTOR_BYTES), low);
                } else {
                    S::store_bytes(to, w);
                }
            }
        });
    }
}

/// Adds the products of a panel's block with those of four tokens.
#[inline(always)]
unsafe fn add_block<
    S: Simd,
    const BITS: u32,
    const HALVES: usize,
    const MINIMUM: bool,
    const CODEBOOK: bool,
    const WHOLE: bool,
>(
    y: &mut [[S::F32; 2]; TILE],
    panel: *const u8,
    blocks: *const BlockQ8,
) {
    let layout = const {
        Layout {
            bits: BITS,
            halves: HALVES,
            minimum: MINIMUM,
            codebook: CODEBOOK,
        }
    };
    // SAFETY: `panel` is a block of this layout, and there are `TILE` blocks.
    unsafe {
        let quants = panel.add(2 * layout.header_bytes());
        let x = |t: usize| &*blocks.add(t);
        let header =
            |i: usize, g: usize| S::load_f32(panel.add(4 * (GROUP_ROWS * i + 4 * g)).cast());
        for h in 0..HALVES {
            let minus = |t: usize| {
                if HALVES == 1 {
                    &raw const x(t).minus
                } else {
                    &raw const x(t).minus_halves[h]
                }
            };
            let mut sums: [[S::Sum7; 2]; TILE] = std::array::from_fn(|t| {
                [match (layout.is_signed(), layout.offset()) {
                    (true, _) if WHOLE => S::start7::<7>(minus(t)),
                    // The sum starts with a part of the offset's product, for it will be shifted.
                    (true, _) if low_bits::<S>() == 4 => S::start7::<3>(minus(t)),
                    (true, _) => S::start7::<6>(minus(t)),
                    (_, 0) => S::zero7(),
                    (_, 4) => S::start7::<2>(minus(t)),
                    (_, 8) => S::start7::<3>(minus(t)),
                    (_, 16) => S::start7::<4>(minus(t)),
                    _ => S::start7::<5>(minus(t)),
                }; 2]
            });
            let bits = if layout.is_signed() { 4 } else { BITS };
            let chunks = const { 8 / HALVES }.min(room::<S>(bits));
            for first in (8 / HALVES * h..8 / HALVES * (h + 1)).step_by(chunks) {
                dots::<S>(&mut sums, quants, blocks, first, chunks);
            }
            if layout.is_signed() && !WHOLE {
                sums = sums.map(|sums| {
                    sums.map(|sum| match low_bits::<S>() {
                        4 => S::shift7::<4>(sum),
                        _ => S::shift7::<1>(sum),
                    })
                });
                let low = quants.add(8 * VECTOR_BYTES);
                dots::<S>(&mut sums, low, blocks, 8 / HALVES * h, 8 / HALVES);
            }
            for t in 0..TILE {
                let scale = S::splat(x(t).scale);
                for g in 0..2 {
                    y[t][g] =
                        S::mul_add(S::finish7(sums[t][g]), S::mul(header(h, g), scale), y[t][g]);
                    if MINIMUM {
                        y[t][g] = S::mul_add(
                            header(HALVES + h, g),
                            S::splat(x(t).scale * *minus(t) as f32),
                            y[t][g],
                        );
                    }
                }
            }
        }
    }
}

/// Adds the integer dot products of `chunks` chunks of eight rows and four tokens, whose blocks are
/// at `x`, from chunk `first` on.
#[inline(always)]
unsafe fn dots<S: Simd>(
    sums: &mut [[S::Sum7; 2]; TILE],
    quants: *const u8,
    x: *const BlockQ8,
    first: usize,
    chunks: usize,
) {
    // SAFETY: the quants hold the chunks, and there are `TILE` blocks at `x`.
    unsafe {
        let mut parts = sums.map(|sums| sums.map(|sum| S::begin7(sum)));
        let mut quants = quants.add(VECTOR_BYTES * first);
        let mut q = (&raw const (*x).q).cast::<i8>().add(4 * first);
        // `black_box` keeps the loop from being unrolled: the compiler would then do one sum after
        // the other and run out of registers, at a third of the speed.
        let end = black_box(quants.add(VECTOR_BYTES * chunks));
        while quants < end {
            let w = [0, 1].map(|g| S::load(quants.add(16 * g)));
            for t in 0..TILE {
                let a = S::four(q.add(size_of::<BlockQ8>() * t));
                for g in 0..2 {
                    parts[t][g] = S::dot7(parts[t][g], w[g], a);
                }
            }
            quants = quants.add(VECTOR_BYTES);
            q = q.add(4);
        }
        for t in 0..TILE {
            for g in 0..2 {
                sums[t][g] = S::end7(sums[t][g], parts[t][g]);
            }
        }
    }
}
