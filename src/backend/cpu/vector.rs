//! A packed matrix times one token: what decoding does. Weights are read once and unpacked in registers.

#![allow(
    clippy::needless_range_loop,
    reason = "the two halves of a group run in step, one index for all"
)]

use super::{
    matmul::Output,
    packed::{Layout, Packed, PackedKernel, VECTOR_BYTES},
    quantized::{Block, Tile},
    simd::{F16_MASK, Simd},
};
use std::ops::Range;

pub struct Vector<'a> {
    pub packed: &'a Packed,
    pub x: Tile<'a>,
    pub output: Output<'a>,
    pub groups: Range<usize>,
}

impl PackedKernel for Vector<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd, const BITS: u32, const HALVES: usize, const MINIMUM: bool>(self) {
        let layout = const {
            Layout {
                bits: BITS,
                halves: HALVES,
                minimum: MINIMUM,
            }
        };
        // SAFETY: the caller's promise for S.
        let masks = unsafe { Masks::<S>::new::<BITS>() };
        for group in self.groups.clone() {
            let weights = self.packed.group(group).as_ptr();
            // SAFETY: a group holds as many blocks as the token does.
            unsafe {
                let mut y = [S::splat(0.0); 2];
                let mut block = weights;
                for x in self.x.coarse {
                    add_block::<S, BITS, HALVES, MINIMUM>(&mut y, block, x, &masks);
                    block = block.add(layout.block_bytes());
                }
                for &b in self.x.outliers {
                    let b = b as usize;
                    add_block::<S, BITS, HALVES, MINIMUM>(
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

/// Adds a block's products to eight rows.
#[inline(always)]
unsafe fn add_block<S: Simd, const BITS: u32, const HALVES: usize, const MINIMUM: bool>(
    y: &mut [S::F32; 2],
    block: *const u8,
    x: &Block,
    masks: &Masks<S>,
) {
    let layout = const {
        Layout {
            bits: BITS,
            halves: HALVES,
            minimum: MINIMUM,
        }
    };
    // SAFETY: `block` is a block of this layout; a chunk's activations are inside q.
    unsafe {
        let vectors = block.add(layout.header_bytes());
        let q = x.q.as_ptr();
        let scale = x.scale * S::F16_REST;
        let header =
            |i: usize, g: usize| S::load_f16_part(block.add(16 * i + 8 * g).cast(), masks.f16);
        if BITS == 8 {
            let mut sums = [S::zero8(); 2];
            for i in 0..8 {
                let a = S::four8(q.add(4 * i));
                for g in 0..2 {
                    sums[g] = S::dot8(sums[g], S::load(vectors.add(VECTOR_BYTES * i + 16 * g)), a);
                }
            }
            for g in 0..2 {
                y[g] = S::mul_add(
                    S::finish8(sums[g]),
                    S::mul(header(0, g), S::splat(scale)),
                    y[g],
                );
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
            8 => S::start7::<3>(minus(h)),
            16 => S::start7::<4>(minus(h)),
            _ => S::start7::<5>(minus(h)),
        };
        let mut sums: [[S::Sum7; 2]; HALVES] = std::array::from_fn(|h| [start(h); 2]);
        each_chunk::<S, BITS>(vectors, masks, |i, w| {
            let a = S::four(q.add(4 * i));
            let sums = &mut sums[if HALVES == 1 { 0 } else { i / 4 }];
            for g in 0..2 {
                sums[g] = S::dot7(sums[g], w[g], a);
            }
        });
        for h in 0..HALVES {
            for g in 0..2 {
                y[g] = S::mul_add(
                    S::finish7(sums[h][g]),
                    S::mul(header(h, g), S::splat(scale)),
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

/// What the levels of a block are cut out with, and its scales.
pub struct Masks<S: Simd> {
    levels: [S::Bytes; 5],
    f16: S::Bytes,
}

impl<S: Simd> Masks<S> {
    /// # Safety
    /// As for [`Simd`].
    #[inline(always)]
    pub unsafe fn new<const BITS: u32>() -> Self {
        let bytes = match BITS {
            4 => [15, 0, 0, 0, 0],
            5 => [31, 7, 24, 8, 16],
            6 => [63, 3, 12, 48, 0],
            _ => [127, 1, 0, 0, 0],
        };
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                levels: bytes.map(|byte| S::mask(u32::from_ne_bytes([byte; 4]))),
                f16: S::mask(F16_MASK),
            }
        }
    }

    /// A signed byte as its seven high bits and the low one, once 128 is added.
    ///
    /// # Safety
    /// As for [`Simd`]; the masks are those of 8 bits.
    #[inline(always)]
    pub unsafe fn cut(&self, w: S::Bytes) -> [S::Bytes; 2] {
        // SAFETY: the caller's promise.
        unsafe {
            let w = S::unsign(w);
            [
                S::bits::<1>(w, self.levels[0]),
                S::bits::<0>(w, self.levels[1]),
            ]
        }
    }
}

/// Calls `f(i, w)` for each chunk of a block's eight rows, four rows a vector, in an order that lets go of vectors soon.
///
/// # Safety
/// `vectors` points at a block's vectors.
#[inline(always)]
pub unsafe fn each_chunk<S: Simd, const BITS: u32>(
    vectors: *const u8,
    masks: &Masks<S>,
    mut f: impl FnMut(usize, [S::Bytes; 2]),
) {
    // SAFETY: the caller's promise.
    unsafe {
        let m = masks.levels;
        let v = |j: usize| [0, 1].map(|g| S::load(vectors.add(VECTOR_BYTES * j + 16 * g)));
        match BITS {
            4 => {
                for j in 0..4 {
                    let v = v(j);
                    f(2 * j, v.map(|v| S::bits::<0>(v, m[0])));
                    f(2 * j + 1, v.map(|v| S::bits::<4>(v, m[0])));
                }
            }
            5 => {
                let low = |v: [S::Bytes; 2]| v.map(|v| S::bits::<0>(v, m[0]));
                let both = |a: [S::Bytes; 2], b: [S::Bytes; 2]| {
                    [0, 1].map(|g| S::or(S::bits::<5>(a[g], m[1]), S::bits::<2>(b[g], m[2])))
                };
                let (v0, v1) = (v(0), v(1));
                f(0, low(v0));
                f(1, low(v1));
                f(5, both(v0, v1));
                let (v2, v3) = (v(2), v(3));
                f(2, low(v2));
                f(3, low(v3));
                f(6, both(v2, v3));
                let v4 = v(4);
                f(4, low(v4));
                f(
                    7,
                    [0, 1].map(|g| {
                        S::or(
                            S::or(S::bits::<5>(v4[g], m[1]), S::bits::<4>(v1[g], m[3])),
                            S::bits::<3>(v3[g], m[4]),
                        )
                    }),
                );
            }
            6 => {
                for j in [0, 3] {
                    let v = [v(j), v(j + 1), v(j + 2)];
                    for i in 0..3 {
                        f(j + i, v[i].map(|v| S::bits::<0>(v, m[0])));
                    }
                    f(
                        6 + j / 3,
                        [0, 1].map(|g| {
                            S::or(
                                S::or(S::bits::<6>(v[0][g], m[1]), S::bits::<4>(v[1][g], m[2])),
                                S::bits::<2>(v[2][g], m[3]),
                            )
                        }),
                    );
                }
            }
            _ => {
                for j in 0..8 {
                    f(j, v(j));
                }
            }
        }
    }
}
