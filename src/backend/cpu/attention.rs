//! Attention over the f16 cache, a tile of positions at a time with the softmax kept online (Milakov and Gimelshein,
//! arXiv 1805.02867), so that no row of scores is ever held whole.
//!
//! Keys and values lie so that both products are the same loop, with no sum across lanes: a few queries' sums stay in registers while halves
//! stream by and each is turned to f32 once for all of them. Tiles lie at fixed positions and are taken in order, so a token's result does
//! not depend on how many tokens came with it.

use super::{
    pool::{Pool, SharedMut},
    simd::{Exp, F16_MASK, Kernel, Simd, with_simd},
};
use crate::{Code, Error, Result, backend::Dims};
use half::f16;
use std::ops::Range;

/// Halves that lie side by side: as many sums of a query as are worked on together, at most.
const LANES: usize = 16;
/// Positions of a tile.
const TILE: usize = 32;
/// Queries that go through the tiles together: with more, V8 cannot keep two vectors of sums for each in registers.
const QUERIES: usize = 4;

/// `LANES` f16 that one vector operation after the other takes.
type Row = [u16; LANES];

/// Keys and values of every position as f16, by layer and key-value head.
pub struct Cache {
    /// `[layers, kv_heads, positions / LANES, head_dim, LANES]`: a row is one dimension of neighbouring positions.
    keys: Vec<Row>,
    /// `[layers, kv_heads, positions / TILE, columns / LANES, TILE, LANES]`: a row is neighbouring dimensions of one position.
    values: Vec<Row>,
    kv_heads: usize,
    head_dim: usize,
    /// `head_dim`, filled up to whole rows.
    columns: usize,
    positions: usize,
}

impl Cache {
    pub fn new(dims: &Dims, context_tokens: usize) -> Result<Cache> {
        let (head_dim, columns) = (dims.head_dim, dims.head_dim.next_multiple_of(LANES));
        let positions = context_tokens.next_multiple_of(TILE);
        let room = |width: usize| {
            let rows = dims.layers * dims.kv_heads * positions / LANES * width;
            let mut v = Vec::new();
            v.try_reserve_exact(rows).map_err(|_| {
                Error::new(
                    Code::OutOfMemory,
                    format!("There is no memory for a context of {context_tokens} tokens. Ask for a shorter one."),
                )
            })?;
            v.resize(rows, [0; LANES]);
            Ok(v)
        };
        Ok(Cache {
            keys: room(head_dim)?,
            values: room(columns)?,
            kv_heads: dims.kv_heads,
            head_dim,
            columns,
            positions,
        })
    }

    pub fn size_bytes(&self) -> usize {
        size_of::<Row>() * (self.keys.len() + self.values.len())
    }

    /// The rows of layer `layer` and key-value head `kv`, where a position is `width` wide.
    fn rows(&self, layer: usize, kv: usize, width: usize) -> Range<usize> {
        let rows = self.positions / LANES * width;
        let first = (layer * self.kv_heads + kv) * rows;
        first..first + rows
    }

    /// Takes `k` and `v`, `[tokens, kv_heads, head_dim]` each, for the positions from `position` on.
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

/// The nearest f16, large values held inside its range.
fn to_f16(x: f32) -> u16 {
    f16::from_f32(x.clamp(-65504.0, 65504.0)).to_bits()
}

/// `out = softmax(q K^T / sqrt(head_dim)) V`: `q` and `out` are `[tokens, heads, head_dim]`, the first token at `position`.
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
    // Of one key-value head: every token's query heads.
    let count = q.len() / (cache.kv_heads * cache.head_dim);
    let sets = count.div_ceil(QUERIES);
    let out = SharedMut::new(out);
    pool.split(cache.kv_heads * sets, |units| {
        for unit in units {
            let (kv, first) = (unit / sets, unit % sets * QUERIES);
            let set = Set {
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
                1 => with_simd(Attend::<1, 4>(set)),
                2 => with_simd(Attend::<2, 4>(set)),
                3 => with_simd(Attend::<3, 2>(set)),
                _ => with_simd(Attend::<QUERIES, 2>(set)),
            }
        }
    });
}

/// A few queries of one key-value head.
struct Set<'a> {
    cache: &'a Cache,
    layer: usize,
    kv: usize,
    /// Query heads that share the key-value head.
    group: usize,
    /// Of the first token.
    position: usize,
    /// The set's first query of `[tokens, group]`.
    first: usize,
    q: &'a [f32],
    out: SharedMut<'a, f32>,
}

impl Set<'_> {
    /// The position of the token of the set's query `j`.
    fn position(&self, j: usize) -> usize {
        self.position + (self.first + j) / self.group
    }

    /// Where query `j` lies in `q` and its result in `out`.
    fn range(&self, j: usize) -> Range<usize> {
        let (token, h) = ((self.first + j) / self.group, (self.first + j) % self.group);
        let at = ((token * self.cache.kv_heads + self.kv) * self.group + h) * self.cache.head_dim;
        at..at + self.cache.head_dim
    }
}

/// Takes `Q` queries through the cache, with `V` vectors of sums for each at a time.
struct Attend<'a, const Q: usize, const V: usize>(Set<'a>);

/// The online softmax of one query: the largest score so far, and the sum of exponentials below it, times `F16_REST`.
#[derive(Clone, Copy)]
struct Running {
    max: f32,
    sum: f32,
}

impl<const Q: usize, const V: usize> Kernel for Attend<'_, Q, V> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let set = self.0;
        let Cache {
            head_dim, columns, ..
        } = *set.cache;
        let keys = &set.cache.keys[set.cache.rows(set.layer, set.kv, head_dim)];
        let values = &set.cache.values[set.cache.rows(set.layer, set.kv, columns)];

        // What halves lack as f32, a power of four: one half of it is on the queries and one is left to the scores, for neither to overflow.
        let scale = S::F16_REST.sqrt() / (head_dim as f32).sqrt();
        let mut queries = vec![[0f32; Q]; head_dim]; // [head_dim, Q]
        for j in 0..Q {
            for (to, q) in queries.iter_mut().zip(&set.q[set.range(j)]) {
                to[j] = q * scale;
            }
        }
        let mut sums = vec![[[0f32; LANES]; Q]; columns / LANES]; // [columns / LANES, Q, LANES]
        let mut running = [Running {
            max: f32::NEG_INFINITY,
            sum: 0.0,
        }; Q];
        let mut scores = [[0f32; TILE]; Q];
        // SAFETY: the caller's promise for S.
        let (mask, exp) = unsafe { (S::mask(F16_MASK), Exp::<S>::new(S::F16_REST)) };
        let tiles = keys
            .chunks_exact(TILE / LANES * head_dim)
            .zip(values.chunks_exact(TILE * columns / LANES));
        for (start, (keys, values)) in (0..=set.position(Q - 1)).step_by(TILE).zip(tiles) {
            // SAFETY: a row of keys is a number of each query and 16 scores; a row of values is a score of each query and 16 sums.
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
                    *keep = weigh::<S>(&mut running[j], &mut scores[j], seen, &exp);
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
            // SAFETY: this unit alone owns these queries' results.
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

/// `sums[j][lanes] += factors[row * ROW + j * QUERY] * rows[row][lanes]` over all rows, for the `4 V` lanes from `lane` on.
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
    // SAFETY: the caller's promise: each row has its factors, and the lanes lie within a row.
    unsafe {
        let mut row = rows.as_ptr().cast::<u16>().add(lane);
        // Not `add`: from the last row's lane it would leave the rows.
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

/// Puts each query's vectors into its lanes from `lane` on.
#[inline(always)]
unsafe fn store<S: Simd, const Q: usize, const V: usize, const N: usize>(
    to: &mut [[f32; N]; Q],
    lane: usize,
    from: [[S::F32; V]; Q],
) {
    for (to, from) in to.iter_mut().zip(from) {
        for (i, from) in from.into_iter().enumerate() {
            // SAFETY: the caller's promise: lane + 4 V <= N.
            unsafe { S::store(to.as_mut_ptr().add(lane + 4 * i), from) };
        }
    }
}

/// The first `seen` scores of a tile into the softmax; they become weights, times `F16_REST`. Returns what the values so far are to be
/// multiplied by.
#[inline(always)]
unsafe fn weigh<S: Simd>(
    running: &mut Running,
    scores: &mut [f32; TILE],
    seen: usize,
    exp: &Exp<S>,
) -> f32 {
    let rest = S::F16_REST.sqrt();
    scores[seen..].fill(f32::NEG_INFINITY);
    // SAFETY: scores in fours.
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
        *running = Running {
            max,
            sum: running.sum * keep + S::horizontal_sum(sums),
        };
        keep
    }
}
