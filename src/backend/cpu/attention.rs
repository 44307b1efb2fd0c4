//! Attention reads the f16 cache a tile of positions at a time and keeps the softmax online
//! (Milakov and Gimelshein, arXiv 1805.02867), so that no row of scores is ever held whole.
//!
//! Keys and values lie so that both products are the same loop, with no sum across lanes: the sums
//! of a few queries stay in registers while f16 stream by, and each is converted to f32 once for
//! all of them. Tiles lie at fixed positions and are taken in order, so a token's result does not
//! depend on how many tokens came with it.

use super::{
    pool::{Pool, SharedMut},
    simd::{Exp, F16_MASK, Kernel, Simd, with_simd},
};
use crate::{Code, Error, Result, backend::Dims};
use half::f16;
use std::ops::Range;

/// This number of f16 lie side by side, and at most so many sums of a query are worked on together.
pub(super) const LANES: usize = 16;
/// A tile has this number of positions.
pub(super) const TILE: usize = 32;
/// This number of queries goes through the tiles together: with more, V8 cannot keep two vectors of
/// sums for each in registers.
const QUERIES: usize = 4;

/// Holds the bits of `LANES` f16 that lie side by side.
type Row = [u16; LANES];

/// Holds the KV cache: keys and values of every position as f16, by layer and key-value head.
pub struct Cache {
    /// Holds the keys `[layers, kv_heads, positions / LANES, head_dim, LANES]`: a row is one
    /// dimension of neighbouring positions.
    pub(super) keys: Vec<Row>,
    /// Holds the values `[layers, kv_heads, positions / TILE, columns / LANES, TILE, LANES]`: a row
    /// is neighbouring dimensions of one position.
    pub(super) values: Vec<Row>,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// Holds `head_dim` rounded up to whole rows.
    pub(super) columns: usize,
    /// Counts the positions, rounded up to whole tiles.
    pub(super) positions: usize,
}

impl Cache {
    /// Allocates a cache of `context_tokens` positions.
    ///
    /// # Errors
    /// `out_of_memory`.
    pub fn new(dims: &Dims, context_tokens: usize) -> Result<Cache> {
        let (head_dim, columns) = (dims.head_dim, dims.head_dim.next_multiple_of(LANES));
        let positions = context_tokens.next_multiple_of(TILE);
        let zeros = |width: usize| {
            let rows = dims.layers * dims.kv_heads * positions / LANES * width;
            let mut v = Vec::new();
            v.try_reserve_exact(rows).map_err(|_| {
                Error::new(
                    Code::OutOfMemory,
                    format!(
                        "There is no memory for a context of {context_tokens} tokens. Ask for a \
                         shorter one."
                    ),
                )
            })?;
            v.resize(rows, [0; LANES]);
            Ok(v)
        };
        Ok(Cache {
            keys: zeros(head_dim)?,
            values: zeros(columns)?,
            kv_heads: dims.kv_heads,
            head_dim,
            columns,
            positions,
        })
    }

    /// Returns the memory that a cache of `context_tokens` positions takes, in bytes.
    pub fn size_bytes(dims: &Dims, context_tokens: usize) -> usize {
        let row = dims.head_dim + dims.head_dim.next_multiple_of(LANES);
        let rows = context_tokens.next_multiple_of(TILE) * row;
        dims.layers * dims.kv_heads * rows * size_of::<u16>()
    }

    /// Returns the range of the rows of layer `layer` and key-value head `kv`, where a position is
    /// `width` wide.
    pub(super) fn rows(&self, layer: usize, kv: usize, width: usize) -> Range<usize> {
        let rows = self.positions / LANES * width;
        let first = (layer * self.kv_heads + kv) * rows;
        first..first + rows
    }

    /// Stores `k` and `v`, `[tokens, kv_heads, head_dim]` each, at the positions from `position`
    /// on.
    pub fn append(&mut self, layer: usize, position: usize, k: &[f32], v: &[f32]) {
        let (head_dim, columns) = (self.head_dim, self.columns);
        for kv in 0..self.kv_heads {
            let (keys, values) = (
                self.rows(layer, kv, head_dim),
                self.rows(layer, kv, columns),
            );
            let (keys, values) = (&mut self.keys[keys], &mut self.values[values]);
            for (t, (k, v)) in k
                .chunks_exact(head_dim)
                .zip(v.chunks_exact(head_dim))
                .skip(kv)
                .step_by(self.kv_heads)
                .enumerate()
            {
                let p = position + t;
                for (row, &k) in keys[p / LANES * head_dim..].iter_mut().zip(k) {
                    row[p % LANES] = to_f16(k);
                }
                let values = &mut values[p / TILE * (TILE * columns / LANES) + p % TILE..];
                for (row, v) in values.iter_mut().step_by(TILE).zip(v.chunks(LANES)) {
                    for (to, &v) in row.iter_mut().zip(v) {
                        *to = to_f16(v);
                    }
                }
            }
        }
    }
}

/// Rounds to the nearest f16; large values are held inside its range.
fn to_f16(x: f32) -> u16 {
    f16::from_f32(x.clamp(-65504.0, 65504.0)).to_bits()
}

/// Computes `out = softmax(q K^T / sqrt(head_dim)) V`, where `q` and `out` are `[tokens, heads,
/// head_dim]` and the first token stands at `position`.
pub fn attend(
    pool: &Pool,
    cache: &Cache,
    layer: usize,
    heads: usize,
    position: usize,
    q: &[f32],
    out: &mut [f32],
) {
    let group = heads / cache.kv_heads;
    // The queries of one key-value head are those of every token and every query head that shares
    // it.
    let count = q.len() / (cache.kv_heads * cache.head_dim);
    let sets = count.div_ceil(QUERIES);
    let out = SharedMut::new(out);
    pool.split(cache.kv_heads * sets, |units| {
        for unit in units {
            let (kv, first) = (unit / sets, unit % sets * QUERIES);
            let set = QuerySet {
                cache,
                layer,
                kv,
                group,
                position,
                first,
                q,
                out,
            };
            match count - first {
                1 => with_simd(AttentionKernel::<1, 4>(set)),
                2 => with_simd(AttentionKernel::<2, 4>(set)),
                3 => with_simd(AttentionKernel::<3, 2>(set)),
                _ => with_simd(AttentionKernel::<QUERIES, 2>(set)),
            }
        }
    });
}

/// Names a few queries of one key-value head, and where their results go.
struct QuerySet<'a> {
    cache: &'a Cache,
    layer: usize,
    kv: usize,
    /// Counts the query heads that share the key-value head.
    group: usize,
    /// Holds the position of the first token.
    position: usize,
    /// Holds the number of the set's first query among `[tokens, group]`.
    first: usize,
    q: &'a [f32],
    out: SharedMut<'a, f32>,
}

impl QuerySet<'_> {
    /// Returns the position of the token of the set's query `j`.
    fn position(&self, j: usize) -> usize {
        self.position + (self.first + j) / self.group
    }

    /// Returns the range of query `j` in `q`, and of its result in `out`.
    fn range(&self, j: usize) -> Range<usize> {
        let (token, h) = ((self.first + j) / self.group, (self.first + j) % self.group);
        let at = ((token * self.cache.kv_heads + self.kv) * self.group + h) * self.cache.head_dim;
        at..at + self.cache.head_dim
    }
}

/// Takes `Q` queries through the cache, with `V` vectors of sums for each at a time.
struct AttentionKernel<'a, const Q: usize, const V: usize>(QuerySet<'a>);

/// Keeps the softmax of one query online: it has the largest score so far, and the sum of
/// exponentials below it, times `F16_REST`.
#[derive(Clone, Copy)]
struct OnlineSoftmax {
    max: f32,
    sum: f32,
}

impl<const Q: usize, const V: usize> Kernel for AttentionKernel<'_, Q, V> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let set = self.0;
        let Cache {
            head_dim, columns, ..
        } = *set.cache;
        let keys = &set.cache.keys[set.cache.rows(set.layer, set.kv, head_dim)];
        let values = &set.cache.values[set.cache.rows(set.layer, set.kv, columns)];

        // Loaded f16 lack the factor F16_REST, a power of four. The queries are multiplied by its
        // square root and the scores by the other, for neither to overflow.
        let scale = S::F16_REST.sqrt() / (head_dim as f32).sqrt();
        let mut queries = vec![[0f32; Q]; head_dim]; // [head_dim, Q]
        for j in 0..Q {
            for (to, q) in queries.iter_mut().zip(&set.q[set.range(j)]) {
                to[j] = q * scale;
            }
        }
        let mut sums = vec![[[0f32; LANES]; Q]; columns / LANES]; // [columns / LANES, Q, LANES]
        let mut running = [OnlineSoftmax {
            max: f32::NEG_INFINITY,
            sum: 0.0,
        }; Q];
        let mut scores = [[0f32; TILE]; Q];
        // SAFETY: the caller keeps the contract of `S`.
        let (mask, exp) = unsafe { (S::mask(F16_MASK), Exp::<S>::new(S::F16_REST)) };
        let tiles = keys
            .chunks_exact(TILE / LANES * head_dim)
            .zip(values.chunks_exact(TILE * columns / LANES));
        for (start, (keys, values)) in (0..=set.position(Q - 1)).step_by(TILE).zip(tiles) {
            // SAFETY: each row of keys has a number of every query and 16 scores; each row of
            // values has a score of every query and 16 sums.
            unsafe {
                for (i, keys) in keys.chunks_exact(head_dim).enumerate() {
                    for lane in (0..LANES).step_by(4 * V) {
                        let mut some = [[S::splat(0.0); V]; Q];
                        add_products::<S, Q, V, Q, 1>(
                            keys,
                            lane,
                            queries.as_ptr().cast(),
                            &mut some,
                            mask,
                        );
                        store::<S, Q, V, TILE>(&mut scores, LANES * i + lane, some);
                    }
                }
                let mut keep = [0.0; Q];
                for (j, keep) in keep.iter_mut().enumerate() {
                    let seen = TILE.min((set.position(j) + 1).saturating_sub(start));
                    *keep = update_softmax::<S>(&mut running[j], &mut scores[j], seen, &exp);
                }
                for (values, sums) in values.chunks_exact(TILE).zip(&mut sums) {
                    for lane in (0..LANES).step_by(4 * V) {
                        let mut some: [[S::F32; V]; Q] = std::array::from_fn(|j| {
                            let keep = S::splat(keep[j]);
                            std::array::from_fn(|i| {
                                S::mul(S::load_f32(sums[j].as_ptr().add(lane + 4 * i)), keep)
                            })
                        });
                        add_products::<S, Q, V, 1, TILE>(
                            values,
                            lane,
                            scores.as_ptr().cast(),
                            &mut some,
                            mask,
                        );
                        store::<S, Q, V, LANES>(sums, lane, some);
                    }
                }
            }
        }
        for (j, running) in running.iter().enumerate() {
            // SAFETY: this unit of work alone owns the results of these queries.
            let out = unsafe { set.out.slice(set.range(j)) };
            let inverse = S::F16_REST / running.sum;
            for (out, sums) in out.chunks_mut(LANES).zip(&sums) {
                for (out, sum) in out.iter_mut().zip(&sums[j]) {
                    *out = sum * inverse;
                }
            }
        }
    }
}

/// Computes `sums[j][lanes] += factors[row * ROW + j * QUERY] * rows[row][lanes]` over all rows,
/// for the `4 V` lanes from `lane` on.
#[inline(always)]
unsafe fn add_products<
    S: Simd,
    const Q: usize,
    const V: usize,
    const ROW: usize,
    const QUERY: usize,
>(
    rows: &[Row],
    lane: usize,
    mut factors: *const f32,
    sums: &mut [[S::F32; V]; Q],
    mask: S::Bytes,
) {
    // SAFETY: the caller promises that each row has its factors, and that the lanes lie within a
    // row.
    unsafe {
        let mut row = rows.as_ptr().cast::<u16>().add(lane);
        // `add` would be undefined here, for the end lies past the rows by `lane`.
        let end = row.wrapping_add(rows.len() * LANES);
        while row < end {
            let wide: [S::F32; V] = std::array::from_fn(|i| S::load_f16_part(row.add(4 * i), mask));
            for (j, sums) in sums.iter_mut().enumerate() {
                let factor = S::splat(*factors.add(j * QUERY));
                for (sum, wide) in sums.iter_mut().zip(wide) {
                    *sum = S::mul_add(factor, wide, *sum);
                }
            }
            (row, factors) = (row.wrapping_add(LANES), factors.add(ROW));
        }
    }
}

/// Stores the vectors of each query to its lanes from `lane` on.
#[inline(always)]
unsafe fn store<S: Simd, const Q: usize, const V: usize, const N: usize>(
    to: &mut [[f32; N]; Q],
    lane: usize,
    from: [[S::F32; V]; Q],
) {
    for (to, from) in to.iter_mut().zip(from) {
        for (i, from) in from.into_iter().enumerate() {
            // SAFETY: the caller promises that lane + 4 V <= N.
            unsafe { S::store(to.as_mut_ptr().add(lane + 4 * i), from) };
        }
    }
}

/// Takes the first `seen` scores of a tile into the softmax; they become weights, times `F16_REST`.
/// Returns the factor by which the sums of values so far are to be multiplied.
#[inline(always)]
unsafe fn update_softmax<S: Simd>(
    running: &mut OnlineSoftmax,
    scores: &mut [f32; TILE],
    seen: usize,
    exp: &Exp<S>,
) -> f32 {
    let rest = S::F16_REST.sqrt();
    scores[seen..].fill(f32::NEG_INFINITY);
    // SAFETY: the scores are read and written in fours, and `TILE` is a multiple of 4.
    unsafe {
        let fours = scores.as_chunks_mut::<4>().0;
        let mut lanes = [0f32; 4];
        S::store(
            lanes.as_mut_ptr(),
            fours.iter().fold(S::splat(f32::NEG_INFINITY), |m, s| {
                S::max(m, S::load_f32(s.as_ptr()))
            }),
        );
        let max = lanes
            .iter()
            .fold(running.max, |m, &s| if s * rest > m { s * rest } else { m });
        for s in fours.iter_mut() {
            S::store(
                s.as_mut_ptr(),
                exp.of(S::mul_add(
                    S::load_f32(s.as_ptr()),
                    S::splat(rest),
                    S::splat(-max),
                )),
            );
        }
        scores[seen..].fill(0.0);
        let sums = scores
            .as_chunks::<4>()
            .0
            .iter()
            .fold(S::splat(0.0), |sum, s| S::add(sum, S::load_f32(s.as_ptr())));
        let mut keep = 1.0;
        if max > running.max {
            S::store(lanes.as_mut_ptr(), exp.of(S::splat(running.max - max)));
            keep = lanes[0] / S::F16_REST;
        }
        *running = OnlineSoftmax {
            max,
            sum: running.sum * keep + S::horizontal_sum(sums),
        };
        keep
    }
}
