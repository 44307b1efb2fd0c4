//! `y = W x` for one token or many: the product that takes nearly all of the time.
//!
//! A tile is four rows by `T` tokens. Weights are unpacked once a tile; the integer sums of a block of 32 columns are exact, and
//! blocks are added up in order, so a token's result is the same bits in every tile width and for every thread count.

#![allow(clippy::needless_range_loop, reason = "a tile's arrays run in step, one index for all")]

use super::{
    Buf,
    float::{FloatKind, float_rows},
    packed::{BLOCK, Layout, Packed},
    pool::{Pool, SharedMut},
    quantized::{Plane, Quantized},
    simd::{Kernel, Simd, with_simd},
};
use crate::{backend::GROUP_ROWS, tensor::Weight};
use std::ops::Range;

/// Tokens that share one unpacking of the weights.
const TILE: usize = 4;

/// What a product reads: `x [tokens, cols]`, and the same quantized if a packed weight asks for it.
pub struct Input<'a> {
    pub tokens: usize,
    pub x: &'a [f32],
    pub quantized: &'a Quantized,
}

/// What a product does with its result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Set,
    Add,
}

/// `y [tokens, rows]` is set to, or increased by, `w x`.
pub fn matmul(pool: &Pool, w: &Weight<Buf>, input: &Input, y: &mut [f32], store: Store) {
    debug_assert!(y.len() == input.tokens * w.rows && input.x.len() == input.tokens * w.cols);
    let y = SharedMut::new(y);
    pool.split(w.rows.div_ceil(GROUP_ROWS), |groups| {
        let output = Output { y, rows: w.rows, store };
        match &w.buf {
            Buf::Packed(packed) => with_simd(PackedRows { packed, input: input.quantized, tokens: input.tokens, output, groups }),
            Buf::F32(data) => float_rows(FloatKind::F32(data), w.cols, input, output, groups),
            Buf::F16(data) => float_rows(FloatKind::F16(data), w.cols, input, output, groups),
            Buf::BF16(data) => float_rows(FloatKind::BF16(data), w.cols, input, output, groups),
        }
    });
}

/// Where results go: `y [tokens, rows]`, of which a thread writes its own rows.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    pub y: SharedMut<'a, f32>,
    pub rows: usize,
    pub store: Store,
}

impl Output<'_> {
    /// # Safety
    /// The caller's thread alone owns row `row` and the three after it.
    #[inline(always)]
    pub unsafe fn put<S: Simd>(&self, token: usize, row: usize, v: S::F32) {
        let at = token * self.rows + row;
        // SAFETY: inside y for full groups; the ragged last group goes element by element.
        unsafe {
            if row + GROUP_ROWS <= self.rows {
                let p = self.y.slice(at..at + GROUP_ROWS).as_mut_ptr();
                let v = if self.store == Store::Add { S::add(S::load_f32(p), v) } else { v };
                S::store(p, v);
            } else {
                let mut lanes = [0f32; GROUP_ROWS];
                S::store(lanes.as_mut_ptr(), v);
                for (y, lane) in self.y.slice(at..at + self.rows - row).iter_mut().zip(lanes) {
                    *y = if self.store == Store::Add { *y + lane } else { lane };
                }
            }
        }
    }
}

struct PackedRows<'a> {
    packed: &'a Packed,
    input: &'a Quantized,
    tokens: usize,
    output: Output<'a>,
    groups: Range<usize>,
}

impl Kernel for PackedRows<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the layout's constants are those of the packed matrix.
        unsafe {
            match (self.packed.layout.bits, self.packed.layout.halves, self.packed.layout.minimum) {
                (4, 1, false) => self.rows::<S, 4, 1, false>(),
                (4, 1, true) => self.rows::<S, 4, 1, true>(),
                (5, 1, false) => self.rows::<S, 5, 1, false>(),
                (5, 1, true) => self.rows::<S, 5, 1, true>(),
                (6, 2, false) => self.rows::<S, 6, 2, false>(),
                (8, 1, false) => self.rows::<S, 8, 1, false>(),
                (4, 2, false) => self.rows::<S, 4, 2, false>(),
                (4, 2, true) => self.rows::<S, 4, 2, true>(),
                other => unreachable!("no layout {other:?}"),
            }
        }
    }
}

impl PackedRows<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const BITS: u32, const HALVES: usize, const MINIMUM: bool>(self) {
        for group in self.groups.clone() {
            let weights = self.packed.group(group);
            let mut token = 0;
            // SAFETY: token + the tile's width stays within tokens.
            unsafe {
                while token + TILE <= self.tokens {
                    self.tile::<S, BITS, HALVES, MINIMUM, TILE>(weights, group, token);
                    token += TILE;
                }
                while token < self.tokens {
                    self.tile::<S, BITS, HALVES, MINIMUM, 1>(weights, group, token);
                    token += 1;
                }
            }
        }
    }

    /// Four rows by `T` tokens.
    #[inline(always)]
    unsafe fn tile<S: Simd, const BITS: u32, const HALVES: usize, const MINIMUM: bool, const T: usize>(
        &self,
        weights: &[u8],
        group: usize,
        token: usize,
    ) {
        let Quantized { coarse, fine, .. } = self.input;
        // SAFETY: the tokens are the input's, and the outliers blocks of a row.
        unsafe {
            let mut y = [S::splat(0.0); T];
            self.add_blocks::<S, BITS, HALVES, MINIMUM, T>(&mut y, weights, coarse, token, 0..self.packed.blocks());
            for t in 0..T {
                let outliers = self.input.outliers(token + t);
                if !outliers.is_empty() {
                    let mut one = [y[t]];
                    self.add_blocks::<S, BITS, HALVES, MINIMUM, 1>(&mut one, weights, fine, token + t, outliers.iter().copied());
                    y[t] = one[0];
                }
                self.output.put::<S>(token + t, group * GROUP_ROWS, y[t]);
            }
        }
    }

    /// Adds the products of the given blocks to four rows of `T` tokens.
    #[inline(always)]
    unsafe fn add_blocks<S: Simd, const BITS: u32, const HALVES: usize, const MINIMUM: bool, const T: usize>(
        &self,
        y: &mut [S::F32; T],
        weights: &[u8],
        plane: &Plane,
        token: usize,
        which: impl Iterator<Item = usize>,
    ) {
        let layout = const { Layout { bits: BITS, halves: HALVES, minimum: MINIMUM } };
        let (cols, blocks) = (self.packed.blocks() * BLOCK, self.packed.blocks());
        let (q, scale, sum) = (plane.q.as_ptr(), plane.scale.as_ptr(), plane.sum.as_ptr());
        // SAFETY: `weights` holds `blocks` blocks; the plane holds `blocks` blocks for each of these tokens.
        unsafe {
            for b in which {
                let block = weights.as_ptr().add(b * layout.block_bytes());
                let body = block.add(layout.header_bytes());
                let a: [*const i8; T] = std::array::from_fn(|t| q.add((token + t) * cols + b * BLOCK));
                let s: [f32; T] = std::array::from_fn(|t| *scale.add((token + t) * blocks + b));
                let h: [*const i32; T] = std::array::from_fn(|t| sum.add(2 * ((token + t) * blocks + b)));
                if BITS == 8 {
                    let d = S::load_f32(block.cast());
                    let mut sums = [S::zero8(); T];
                    for i in 0..8 {
                        let w = S::load(body.add(16 * i));
                        for t in 0..T {
                            sums[t] = S::dot8(sums[t], w, a[t].add(4 * i));
                        }
                    }
                    for t in 0..T {
                        y[t] = S::mul_add(S::finish8(sums[t]), S::mul(d, S::splat(s[t])), y[t]);
                    }
                } else if HALVES == 1 {
                    let mut sums = [S::zero7(); T];
                    dots::<S, BITS, 0, T>(&mut sums, body, a);
                    dots::<S, BITS, 1, T>(&mut sums, body, a);
                    dots::<S, BITS, 2, T>(&mut sums, body, a);
                    dots::<S, BITS, 3, T>(&mut sums, body, a);
                    let d = if MINIMUM { S::load_f16(block.cast()) } else { S::load_f32(block.cast()) };
                    for t in 0..T {
                        let total = *h[t] + *h[t].add(1);
                        y[t] = S::mul_add(S::finish7(sums[t], layout.offset() * total), S::mul(d, S::splat(s[t])), y[t]);
                        if MINIMUM {
                            y[t] = S::mul_add(S::load_f16(block.add(8).cast()), S::splat(-s[t] * total as f32), y[t]);
                        }
                    }
                } else {
                    let mut sums = [[S::zero7(); T]; 2];
                    dots::<S, BITS, 0, T>(&mut sums[0], body, a);
                    dots::<S, BITS, 1, T>(&mut sums[0], body, a);
                    dots::<S, BITS, 2, T>(&mut sums[1], body, a);
                    dots::<S, BITS, 3, T>(&mut sums[1], body, a);
                    for half in 0..2 {
                        let d = S::load_f16(block.add(8 * half).cast());
                        for t in 0..T {
                            let total = *h[t].add(half);
                            y[t] = S::mul_add(S::finish7(sums[half][t], layout.offset() * total), S::mul(d, S::splat(s[t])), y[t]);
                            if MINIMUM {
                                y[t] = S::mul_add(S::load_f16(block.add(16 + 8 * half).cast()), S::splat(-s[t] * total as f32), y[t]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Adds columns `8 J .. 8 J + 8` of a block's four rows to the sums of `T` tokens.
#[inline(always)]
unsafe fn dots<S: Simd, const BITS: u32, const J: usize, const T: usize>(sums: &mut [S::Sum7; T], body: *const u8, a: [*const i8; T]) {
    // SAFETY: a block's body holds four nibble vectors and then its planes; `a` points at 32 activations.
    unsafe {
        let v = S::load(body.add(16 * J));
        let (mut low, mut high) = (S::low_nibbles(v), S::high_nibbles(v));
        if BITS == 5 {
            let planes = S::load(body.add(64));
            (low, high) = match J {
                0 => (S::add_high_bits::<0, 1>(low, planes), S::add_high_bits::<1, 1>(high, planes)),
                1 => (S::add_high_bits::<2, 1>(low, planes), S::add_high_bits::<3, 1>(high, planes)),
                2 => (S::add_high_bits::<4, 1>(low, planes), S::add_high_bits::<5, 1>(high, planes)),
                _ => (S::add_high_bits::<6, 1>(low, planes), S::add_high_bits::<7, 1>(high, planes)),
            };
        }
        if BITS == 6 {
            let planes = S::load(body.add(64 + 16 * (J / 2)));
            (low, high) = match J % 2 {
                0 => (S::add_high_bits::<0, 3>(low, planes), S::add_high_bits::<2, 3>(high, planes)),
                _ => (S::add_high_bits::<4, 3>(low, planes), S::add_high_bits::<6, 3>(high, planes)),
            };
        }
        for t in 0..T {
            sums[t] = S::dot7(S::dot7(sums[t], low, a[t].add(8 * J)), high, a[t].add(8 * J + 4));
        }
    }
}
