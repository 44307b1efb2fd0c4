//! Activations are quantized for the dot product kernels: to int8 with one scale for 32 columns,
//! and a second plane for outliers.
//!
//! A few columns of a transformer's activations are far larger than the rest (Dettmers et al.,
//! arXiv 2208.07339), and one of them leaves its 31 neighbours few of int8's values. Blocks with an
//! outlier get a second int8 plane for what the first leaves. They are few, so that is little work,
//! and most of the rounding error is gone (docs/accuracy.md).

use super::{
    pool::{Pool, SharedMut},
    repack::BLOCK,
    simd::{Kernel, Simd, with_simd},
};
use std::ops::Range;

/// The kernels take this number of tokens together, their blocks side by side. The last tile is
/// filled up with tokens of zeros; a token alone is a tile of one.
pub const TILE: usize = 4;

/// A block gets the second plane if rounding to int8 (a mean square error of scale^2 / 12) costs it
/// more than this share of its token's mean square.
const ROUNDING_LIMIT: f32 = 2e-4;

/// Holds 32 columns of a token: `x = scale * q`.
#[derive(Clone, Copy, Default)]
pub struct BlockQ8 {
    /// Holds the integers, -127 to 127.
    pub q: [i8; BLOCK],
    /// Holds the scale.
    pub scale: f32,
    /// Holds minus the sum of q, which a weight's offset or minimum multiplies.
    pub minus: i32,
    /// Holds minus the sums of the halves of q, for weights with a scale for each 16 columns.
    pub minus_halves: [i32; 2],
}

/// Holds quantized activations `[tokens, cols]`: `x = coarse + fine`, where only blocks with
/// outliers have a `fine` that is not zero.
#[derive(Default)]
pub struct QuantizedActivations {
    tokens: usize,
    blocks: usize,
    /// Holds the first plane `[tiles, cols / 32, tokens of the tile]`.
    coarse: Vec<BlockQ8>,
    /// Holds the second plane, of the same shape.
    fine: Vec<BlockQ8>,
    /// Holds the numbers of the blocks with an outlier in any token of the tile, ascending:
    /// `[tiles, cols / 32]`, of which the first `counts` are set.
    outliers: Vec<u32>,
    /// Counts these blocks in each tile.
    counts: Vec<u32>,
}

/// Holds the activations of up to [`TILE`] tokens.
///
/// Those of block `b` are `coarse[b * width ..][..tokens]`, and then come zeros up to the width.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// Holds the number of the first token.
    pub first: usize,
    /// Counts the tokens.
    pub tokens: usize,
    /// Counts the tokens that there is room for.
    pub width: usize,
    /// Holds the first plane `[cols / 32, width]`.
    pub coarse: &'a [BlockQ8],
    /// Holds the second plane `[cols / 32, width]`.
    pub fine: &'a [BlockQ8],
    /// Holds the numbers of the blocks with an outlier in any of the tokens, ascending.
    pub outliers: &'a [u32],
}

impl QuantizedActivations {
    /// Returns the bytes of `tokens` with up to `cols` columns.
    pub(super) fn size_bytes(tokens: usize, cols: usize) -> u64 {
        let [blocks, tile_blocks, tiles] = counts(tokens, cols);
        let planes = blocks.saturating_mul(2 * size_of::<BlockQ8>() as u64);
        planes.saturating_add(4 * (tile_blocks + tiles))
    }

    /// Allocates room for `tokens` with up to `cols` columns. It is not written, for models whose
    /// weights are not quantized leave it so. Returns `None` without memory.
    pub(super) fn with_room(tokens: usize, cols: usize) -> Option<Self> {
        fn room<T>(len: u64) -> Option<Vec<T>> {
            let mut v = Vec::new();
            v.try_reserve_exact(usize::try_from(len).ok()?).ok()?;
            Some(v)
        }
        let [blocks, tile_blocks, tiles] = counts(tokens, cols);
        Some(Self {
            coarse: room(blocks)?,
            fine: room(blocks)?,
            outliers: room(tile_blocks)?,
            counts: room(tiles)?,
            ..Self::default()
        })
    }

    /// Quantizes `x [tokens, cols]`; `cols` is a multiple of 32.
    pub fn set(&mut self, pool: &Pool, x: &[f32], cols: usize) {
        (self.tokens, self.blocks) = (x.len() / cols, cols / BLOCK);
        let tiles = self.tiles();
        let len = tiles * width(self.tokens) * self.blocks;
        self.coarse.resize(len, BlockQ8::default());
        self.fine.resize(len, BlockQ8::default());
        self.outliers.resize(tiles * self.blocks, 0);
        self.counts.resize(tiles, 0);
        let output = Output {
            coarse: SharedMut::new(&mut self.coarse),
            fine: SharedMut::new(&mut self.fine),
            outliers: SharedMut::new(&mut self.outliers),
            counts: SharedMut::new(&mut self.counts),
        };
        let (tokens, blocks) = (self.tokens, self.blocks);
        pool.split(tiles, |tiles| {
            with_simd(Quantize {
                x,
                tokens,
                blocks,
                tiles,
                output,
            })
        });
    }

    /// Returns column `col` of token `token` as the kernels see it: its parts in `coarse` and in
    /// `fine`.
    pub fn value(&self, token: usize, col: usize) -> (f64, f64) {
        let tile = self.tile(token / TILE);
        let part = |blocks: &[BlockQ8]| {
            let block = &blocks[col / BLOCK * tile.width + token - tile.first];
            if block.scale == 0.0 {
                0.0
            } else {
                f64::from(block.scale) * f64::from(block.q[col % BLOCK])
            }
        };
        (part(tile.coarse), part(tile.fine))
    }

    /// Returns the number of tiles.
    pub fn tiles(&self) -> usize {
        self.tokens.div_ceil(TILE)
    }

    /// Returns tile number `tile`.
    pub fn tile(&self, tile: usize) -> Tile<'_> {
        let width = width(self.tokens);
        let range = tile * width * self.blocks..(tile + 1) * width * self.blocks;
        Tile {
            first: tile * TILE,
            tokens: TILE.min(self.tokens - tile * TILE),
            width,
            coarse: &self.coarse[range.clone()],
            fine: &self.fine[range],
            outliers: &self.outliers[tile * self.blocks..][..self.counts[tile] as usize],
        }
    }
}

/// Counts the blocks of each plane, those of one token a tile, and the tiles of so many tokens.
fn counts(tokens: usize, cols: usize) -> [u64; 3] {
    let (tiles, blocks) = (tokens.div_ceil(TILE) as u64, cols.div_ceil(BLOCK) as u64);
    let tile_blocks = tiles.saturating_mul(blocks);
    [
        tile_blocks.saturating_mul(width(tokens) as u64),
        tile_blocks,
        tiles,
    ]
}

/// Returns the number of tokens that a tile has room for.
fn width(tokens: usize) -> usize {
    if tokens == 1 { 1 } else { TILE }
}

#[derive(Clone, Copy)]
struct Output<'a> {
    coarse: SharedMut<'a, BlockQ8>,
    fine: SharedMut<'a, BlockQ8>,
    outliers: SharedMut<'a, u32>,
    counts: SharedMut<'a, u32>,
}

struct Quantize<'a> {
    x: &'a [f32],
    tokens: usize,
    blocks: usize,
    tiles: Range<usize>,
    output: Output<'a>,
}

impl Kernel for Quantize<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { x, blocks, .. } = self;
        let cols = blocks * BLOCK;
        for tile in self.tiles {
            let (first, width) = (tile * TILE, width(self.tokens));
            let tokens = TILE.min(self.tokens - first);
            let range = tile * width * blocks..(tile + 1) * width * blocks;
            // SAFETY: this thread alone has these tiles, and a block is 32 floats.
            unsafe {
                let (coarse, fine) = (
                    self.output.coarse.slice(range.clone()),
                    self.output.fine.slice(range),
                );
                let outliers = self
                    .output
                    .outliers
                    .slice(tile * blocks..(tile + 1) * blocks);
                let limits: [f32; TILE] = std::array::from_fn(|t| {
                    if t < tokens {
                        limit::<S>(&x[(first + t) * cols..][..cols])
                    } else {
                        0.0
                    }
                });
                let mut count = 0;
                for b in 0..blocks {
                    let mut is_outlier = false;
                    for t in tokens..width {
                        (coarse[b * width + t], fine[b * width + t]) = Default::default();
                    }
                    for t in 0..tokens {
                        let x = &x[(first + t) * cols + b * BLOCK..][..BLOCK];
                        let (coarse, fine) = (&mut coarse[b * width + t], &mut fine[b * width + t]);
                        put::<S>(coarse, x);
                        fine.scale = 0.0;
                        if coarse.scale > limits[t] {
                            let rest: [f32; BLOCK] = std::array::from_fn(|i| {
                                x[i] - coarse.scale * f32::from(coarse.q[i])
                            });
                            put::<S>(fine, &rest);
                            is_outlier = true;
                        }
                        // NaN passes every comparison unseen, but must reach the answer.
                        if limits[t].is_nan() {
                            coarse.scale = f32::NAN;
                        }
                    }
                    if is_outlier {
                        outliers[count] = b as u32;
                        count += 1;
                    }
                }
                self.output.counts.slice(tile..tile + 1)[0] = count as u32;
            }
        }
    }
}

/// Returns the scale above which a block of this token gets a second plane; NaN if any of `x` is.
#[inline(always)]
unsafe fn limit<S: Simd>(x: &[f32]) -> f32 {
    // SAFETY: `x` is in blocks of 32.
    unsafe {
        let mut sums = [S::splat(0.0); 4];
        for x in x.as_chunks::<16>().0 {
            for (i, sum) in sums.iter_mut().enumerate() {
                let v = S::load_f32(x.as_ptr().add(4 * i));
                *sum = S::mul_add(v, v, *sum);
            }
        }
        let energy = S::horizontal_sum(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])));
        (12.0 * ROUNDING_LIMIT * energy / x.len() as f32).sqrt()
    }
}

/// Quantizes 32 columns of a token.
#[inline(always)]
unsafe fn put<S: Simd>(block: &mut BlockQ8, x: &[f32]) {
    // SAFETY: `x` and `q` have 32 elements.
    unsafe {
        let v: [S::F32; 8] = std::array::from_fn(|i| S::load_f32(x.as_ptr().add(4 * i)));
        let largest = v.iter().fold(S::splat(0.0), |m, &v| {
            S::max(S::max(m, v), S::mul(v, S::splat(-1.0)))
        });
        let mut lanes = [0f32; 4];
        S::store(lanes.as_mut_ptr(), largest);
        let largest = lanes.iter().fold(0f32, |m, &x| if x > m { x } else { m });
        block.scale = largest / 127.0;
        let inverse = S::splat(if largest > f32::MIN_POSITIVE * 127.0 {
            127.0 / largest
        } else {
            0.0
        });
        let v = v.map(|v| S::mul(v, inverse));
        let q = block.q.as_mut_ptr();
        let sums = [
            S::store_i8(q, [v[0], v[1], v[2], v[3]]),
            S::store_i8(q.add(16), [v[4], v[5], v[6], v[7]]),
        ];
        block.minus = -(sums[0] + sums[1]);
        block.minus_halves = sums.map(|sum| -sum);
    }
}
