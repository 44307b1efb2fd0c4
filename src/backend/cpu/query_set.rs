//! A few queries of one key-value head go through the KV cache together.
//!
//! Keys and values lie so that both products are the same loop, with no sum across lanes: the sums
//! of a few queries stay in registers while f16 stream by, and each is converted to f32 once for
//! all of them.

use super::{
    ops::bounded,
    pool::SharedMut,
    simd::{Exp, F16_MASK, Kernel, Simd, with_simd},
    softmax::{OnlineSoftmax, add_scaled},
};
use crate::backend::Attention;
use std::ops::Range;

/// This number of f16 lie side by side, and at most so many sums of a query are worked on together.
pub(super) const LANES: usize = 16;
/// A tile has this number of positions.
pub(super) const TILE: usize = 32;
/// The softmax begins anew after this number of positions, a multiple of [`TILE`]: few enough for
/// threads to share a thousand positions, and enough that merging takes little time.
pub(super) const SPLIT: usize = 512;
/// This number of queries goes through the tiles together: with more, V8 cannot keep two vectors of
/// sums for each in registers.
pub(super) const QUERIES: usize = 4;

/// Holds the bits of `LANES` f16 that lie side by side.
pub(super) type Row = [u16; LANES];

/// Holds where the results of attention go.
#[derive(Clone, Copy)]
pub(super) struct Results<'a> {
    /// Holds the results `[tokens, heads, head_dim]`.
    pub(super) out: SharedMut<'a, f32>,
    /// Holds the softmax of each split, `[tokens, heads, shares]`, if there are several shares.
    pub(super) softmax: SharedMut<'a, OnlineSoftmax>,
    /// Holds the sums of values, `[tokens, heads, shares, columns]`, if there are several shares.
    pub(super) sums: SharedMut<'a, f32>,
    /// Counts the shares of the work on a query: 1, or one for each split.
    pub(super) shares: usize,
}

/// Names a few queries of one key-value head, and where their results go.
pub(super) struct QuerySet<'a> {
    /// Holds the head's keys `[positions / LANES, head_dim, LANES]`: position `p` lies at `p`
    /// modulo the number of positions.
    pub(super) keys: &'a [Row],
    /// Holds the head's values `[positions / TILE, columns / LANES, TILE, LANES]`.
    pub(super) values: &'a [Row],
    /// Counts the positions that the layer has room for, whole tiles.
    pub(super) positions: usize,
    pub(super) head_dim: usize,
    pub(super) attention: &'a Attention,
    pub(super) kv_heads: usize,
    /// Holds the number of the key-value head.
    pub(super) kv: usize,
    /// Counts the query heads that share the key-value head.
    pub(super) group: usize,
    /// Holds the position of the first token.
    pub(super) position: usize,
    /// Holds the number of the set's first query among `[tokens, group]`.
    pub(super) first: usize,
    pub(super) q: &'a [f32],
    /// Holds the number of the split, if there are several shares.
    pub(super) share: usize,
    pub(super) results: Results<'a>,
}

impl QuerySet<'_> {
    /// Takes up to [`QUERIES`] queries through the cache, of `left` that are left.
    pub(super) fn run(self, left: usize) {
        match left {
            1 => with_simd(AttentionKernel::<1, 4>(self)),
            2 => with_simd(AttentionKernel::<2, 4>(self)),
            3 => with_simd(AttentionKernel::<3, 2>(self)),
            _ => with_simd(AttentionKernel::<QUERIES, 2>(self)),
        }
    }

    /// Returns the position of the token of the set's query `j`.
    fn position(&self, j: usize) -> usize {
        self.position + (self.first + j) / self.group
    }

    /// Returns the last position that the token of the set's query `j` sees: its own, or the
    /// window's behind it, up to the last token's.
    fn last_seen(&self, j: usize) -> usize {
        let own = self.position(j);
        if self.attention.is_causal {
            return own;
        }
        let tokens = self.q.len() / (self.head_dim * self.kv_heads * self.group);
        let last = self.position + tokens - 1;
        last.min(own.saturating_add(self.attention.window as usize - 1))
    }

    /// Returns the first position that the token of the set's query `j` sees.
    fn first_seen(&self, j: usize) -> usize {
        (self.position(j) + 1).saturating_sub(self.attention.window as usize)
    }

    /// Returns the number of query `j` among `[tokens, heads]`.
    fn query(&self, j: usize) -> usize {
        let (token, h) = ((self.first + j) / self.group, (self.first + j) % self.group);
        (token * self.kv_heads + self.kv) * self.group + h
    }

    /// Returns the range of query `j` in `q`, and of its result in `out`.
    fn range(&self, j: usize) -> Range<usize> {
        let at = self.query(j) * self.head_dim;
        at..at + self.head_dim
    }

    /// Stores what query `j` came to.
    ///
    /// # Safety
    /// No other thread has the results of this query and share.
    unsafe fn put(&self, j: usize, total: OnlineSoftmax, sums: &[f32]) {
        let Results {
            out,
            softmax,
            sums: partial_sums,
            shares,
        } = self.results;
        // SAFETY: the caller keeps the contract of this function.
        unsafe {
            if shares == 1 {
                total.divide(sums, out.slice(self.range(j)));
            } else {
                let at = self.query(j) * shares + self.share;
                softmax.slice(at..at + 1)[0] = total;
                partial_sums
                    .slice(at * sums.len()..(at + 1) * sums.len())
                    .copy_from_slice(sums);
            }
        }
    }
}

/// Takes `Q` queries through the cache, with `V` vectors of sums for each at a time.
struct AttentionKernel<'a, const Q: usize, const V: usize>(QuerySet<'a>);

impl<const Q: usize, const V: usize> Kernel for AttentionKernel<'_, Q, V> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let set = self.0;
        let head_dim = set.head_dim;
        let columns = head_dim.next_multiple_of(LANES);

        // Loaded f16 lack the factor F16_REST, a power of four. The queries are multiplied by its
        // square root and the scores by the other, for neither to overflow.
        let scale = S::F16_REST.sqrt() * set.attention.scale;
        let mut queries = vec![[0f32; Q]; head_dim]; // [head_dim, Q]
        for j in 0..Q {
            for (to, q) in queries.iter_mut().zip(&set.q[set.range(j)]) {
                to[j] = q * scale;
            }
        }
        let mut sums = vec![[[0f32; LANES]; Q]; columns / LANES]; // [columns / LANES, Q, LANES]
        let mut totals = [OnlineSoftmax::EMPTY; Q];
        let mut total_sums = vec![0f32; Q * columns]; // [Q, columns]
        let mut scores = [[0f32; TILE]; Q];
        // SAFETY: the caller keeps the contract of `S`.
        let (mask, exp) = unsafe { (S::mask(F16_MASK), Exp::<S>::new(S::F16_REST)) };
        let last = set.last_seen(Q - 1);
        let (first, end) = match set.results.shares {
            1 => (0, last + 1),
            _ => (set.share * SPLIT, (last + 1).min((set.share + 1) * SPLIT)),
        };
        // Positions before the window of the first query are before those of the others.
        let first = first.max(set.first_seen(0) / TILE * TILE);
        let mut running = [OnlineSoftmax::EMPTY; Q];
        for start in (first..end).step_by(TILE) {
            let group = start % set.positions / LANES;
            let keys = &set.keys[group * head_dim..][..TILE / LANES * head_dim];
            let values = &set.values[group * columns..][..TILE / LANES * columns];
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
                    let seen = TILE.min((set.last_seen(j) + 1).saturating_sub(start));
                    let unseen = seen.min(set.first_seen(j).saturating_sub(start));
                    if set.attention.softcap > 0.0 {
                        softcap(&mut scores[j], set.attention.softcap, S::F16_REST.sqrt());
                    }
                    *keep = running[j].update(&mut scores[j], unseen..seen, &exp);
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
            let next = start + TILE;
            if next >= end || next.is_multiple_of(SPLIT) {
                for j in 0..Q {
                    running[j].sum /= S::F16_REST;
                    let factors = totals[j].merge(running[j]);
                    let total = &mut total_sums[j * columns..][..columns];
                    for (total, sums) in total.chunks_exact_mut(LANES).zip(&mut sums) {
                        add_scaled(total, &sums[j], factors);
                        sums[j].fill(0.0);
                    }
                }
                running = [OnlineSoftmax::EMPTY; Q];
            }
        }
        for (j, sums) in total_sums.chunks_exact(columns).enumerate() {
            // SAFETY: this unit of work alone owns these results.
            unsafe { set.put(j, totals[j], sums) };
        }
    }
}

/// Bounds scores, which lack the factor `rest`, by `cap`. Few models ask for it, so that it is no part
/// of the kernels.
#[cold]
#[inline(never)]
fn softcap(scores: &mut [f32], cap: f32, rest: f32) {
    for score in scores {
        *score = bounded(*score * rest, cap) / rest;
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
