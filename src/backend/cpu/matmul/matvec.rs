//! The kernel of a repacked matrix times one token (decode) reads weights once and unpacks them in
//! registers.

#![allow(
    clippy::needless_range_loop,
    reason = "the two halves of a group run in step, one index for all"
)]

use super::{
    operands::Output,
    unpack::{Masks, each_chunk, left_shift},
};
use crate::backend::cpu::{
    quantize::{BlockQ8, Tile},
    repack::{Layout, RepackedKernel, RepackedMatrix},
    simd::{Simd, room},
};
use std::ops::Range;

/// Multiplies the rows of some groups by one token.
pub(super) struct MatvecKernel<'a> {
    pub(super) matrix: &'a RepackedMatrix,
    /// Holds the token's activations: a tile of width 1.
    pub(super) x: Tile<'a>,
    pub(super) output: Output<'a>,
    pub(super) groups: Range<usize>,
}

impl RepackedKernel for MatvecKernel<'_> {
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
        let layout = const {
            Layout {
                bits: BITS,
                halves: HALVES,
                minimum: MINIMUM,
                codebook: CODEBOOK,
            }
        };
        // SAFETY: the caller keeps the contract of `S`.
        let masks = unsafe { Masks::<S>::new::<BITS>(&self.matrix.codebook) };
        for group in self.groups.clone() {
            let weights = self.matrix.group(group).as_ptr();
            // SAFETY: a group holds the same number of blocks as the token.
            unsafe {
                let mut y = [S::splat(0.0); 2];
                let mut block = weights;
                for x in self.x.coarse {
                    add_block::<S, BITS, HALVES, MINIMUM, CODEBOOK>(&mut y, block, x, &masks);
                    block = block.add(layout.block_bytes());
                }
                for &b in self.x.outliers {
                    let b = b as usize;
                    add_block::<S, BITS, HALVES, MINIMUM, CODEBOOK>(
                        &mut y,
                        weights.add(b * layout.block_bytes()),
                        self.x.fine.get_unchecked(b),
                        &masks,
                    );
                }
                self.output.put::<S>(self.x.first, group, y);
            }
        }
    }
}

/// Adds the products of a block of eight rows and the token's block to the rows' sums.
#[inline(always)]
unsafe fn add_block<
    S: Simd,
    const BITS: u32,
    const HALVES: usize,
    const MINIMUM: bool,
    const CODEBOOK: bool,
>(
    y: &mut [S::F32; 2],
    block: *const u8,
    x: &BlockQ8,
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
    // SAFETY: `block` is a block of this layout; the activations of every chunk lie inside q.
    unsafe {
        let vectors = block.add(layout.header_bytes());
        let q = x.q.as_ptr();
        let scale = x.scale * S::F16_REST;
        let header =
            |i: usize, g: usize| S::load_f16_part(block.add(16 * i + 8 * g).cast(), masks.f16);
        if BITS == 8 || CODEBOOK {
            let mut sums = [[S::zero8(); 2]; HALVES];
            each_chunk::<S, BITS, false>(vectors, masks, |i, w| {
                let a = S::four8(q.add(4 * i));
                let sums = &mut sums[if HALVES == 1 { 0 } else { i / 4 }];
                for g in 0..2 {
                    sums[g] = S::dot8(sums[g], masks.values::<CODEBOOK>(w[g]), a);
                }
            });
            for h in 0..HALVES {
                for g in 0..2 {
                    y[g] = S::mul_add(
                        S::finish8(sums[h][g]),
                        S::mul(header(h, g), S::splat(scale)),
                        y[g],
                    );
                }
            }
            return;
        }
        let minus = |h: usize| {
            if HALVES == 1 {
                &raw const x.minus
            } else {
                &raw const x.minus_halves[h]
            }
        };
        let start = |h: usize| match layout.offset() {
            0 => S::zero7(),
            4 if left_shift::<S>(BITS, h) == 4 => S::start7::<6>(minus(h)),
            4 => S::start7::<2>(minus(h)),
            8 => S::start7::<3>(minus(h)),
            16 => S::start7::<4>(minus(h)),
            _ => S::start7::<5>(minus(h)),
        };
        let mut sums: [[S::Sum7; 2]; HALVES] = std::array::from_fn(|h| [start(h); 2]);
        let mut parts = sums.map(|sums| sums.map(|sum| S::begin7(sum)));
        let mut chunks = [0; HALVES];
        each_chunk::<S, BITS, true>(vectors, masks, |i, w| {
            let a = S::four(q.add(4 * i));
            let h = if HALVES == 1 { 0 } else { i / 4 };
            let is_full = chunks[h] == room::<S>(BITS);
            chunks[h] = if is_full { 1 } else { chunks[h] + 1 };
            for g in 0..2 {
                if is_full {
                    sums[h][g] = S::end7(sums[h][g], parts[h][g]);
                    parts[h][g] = S::begin7(sums[h][g]);
                }
                parts[h][g] = S::dot7(parts[h][g], w[g], a);
            }
        });
        for h in 0..HALVES {
            let quant_scale = scale / (1 << left_shift::<S>(BITS, h)) as f32;
            for g in 0..2 {
                y[g] = S::mul_add(
                    S::finish7(S::end7(sums[h][g], parts[h][g])),
                    S::mul(header(h, g), S::splat(quant_scale)),
                    y[g],
                );
                if MINIMUM {
                    y[g] = S::mul_add(
                        header(HALVES + h, g),
                        S::splat(scale * *minus(h) as f32),
                        y[g],
                    );
                }
            }
        }
    }
}
