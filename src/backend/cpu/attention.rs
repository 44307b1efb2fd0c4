//! Attention over the f16 cache, a tile of positions at a time with the softmax kept online (Milakov and Gimelshein,
//! arXiv 1805.02867), so that no row of scores is ever held whole.
//!
//! A tile is turned to f32 once and serves every query head that shares its key-value head. Tiles lie at fixed positions and are
//! taken in order, so a token's result does not depend on how many tokens came with it.

use super::{
    pool::{Pool, SharedMut},
    simd::{Kernel, Simd, exp, with_simd},
};
use crate::{Code, Error, Result, backend::Widths};
use half::f16;

/// Positions of a tile.
const TILE: usize = 32;
/// Tokens that go through the tiles together.
const TOKENS: usize = 16;

/// Keys and values of every position as f16, by block and key-value head.
pub struct Cache {
    /// `[blocks, kv_heads, positions / 4, head, 4]`: four positions side by side, so that scores need no horizontal sum.
    keys: Vec<u16>,
    /// `[blocks, kv_heads, positions, head]`
    values: Vec<u16>,
    kv_heads: usize,
    head: usize,
    positions: usize,
}

impl Cache {
    pub fn new(widths: &Widths, context_tokens: usize) -> Result<Cache> {
        let positions = context_tokens.next_multiple_of(TILE);
        let size = widths.blocks * widths.kv_heads * positions * widths.head;
        let room = || {
            let mut v = Vec::new();
            v.try_reserve_exact(size).map_err(|_| {
                Error::new(
                    Code::OutOfMemory,
                    format!("There is no memory for a context of {context_tokens} tokens. Ask for a shorter one."),
                )
            })?;
            v.resize(size, 0u16);
            Ok(v)
        };
        Ok(Cache { keys: room()?, values: room()?, kv_heads: widths.kv_heads, head: widths.head, positions })
    }

    pub fn size_bytes(&self) -> usize {
        2 * (self.keys.len() + self.values.len())
    }

    /// Where block `block` and key-value head `kv` begin.
    fn base(&self, block: usize, kv: usize) -> usize {
        (block * self.kv_heads + kv) * self.positions * self.head
    }

    /// Takes `k` and `v`, `[tokens, kv_heads, head]` each, for the positions from `position` on.
    pub fn append(&mut self, block: usize, position: usize, k: &[f32], v: &[f32]) {
        let (head, row) = (self.head, self.kv_heads * self.head);
        for (t, (k, v)) in k.chunks_exact(row).zip(v.chunks_exact(row)).enumerate() {
            let p = position + t;
            for kv in 0..self.kv_heads {
                let base = self.base(block, kv);
                for (d, &k) in k[kv * head..][..head].iter().enumerate() {
                    self.keys[base + (p / 4 * head + d) * 4 + p % 4] = to_f16(k);
                }
                for (to, &v) in self.values[base + p * head..][..head].iter_mut().zip(&v[kv * head..]) {
                    *to = to_f16(v);
                }
            }
        }
    }
}

/// The nearest f16, large values held inside its range.
fn to_f16(x: f32) -> u16 {
    f16::from_f32(x.clamp(-65504.0, 65504.0)).to_bits()
}

/// `out = softmax(q K^T / sqrt(head)) V`: `q` and `out` are `[tokens, heads, head]`, the first token at `position`.
pub fn attend(pool: &Pool, cache: &Cache, block: usize, heads: usize, position: usize, q: &[f32], out: &mut [f32]) {
    let tokens = q.len() / (heads * cache.head);
    let parts = tokens.div_ceil(TOKENS);
    let out = SharedMut::new(out);
    pool.split(parts * cache.kv_heads, |units| {
        for unit in units {
            let (part, kv) = (unit / cache.kv_heads, unit % cache.kv_heads);
            let first = part * TOKENS;
            let tokens = TOKENS.min(tokens - first);
            with_simd(HeadGroup { cache, block, kv, heads, position: position + first, first, tokens, q, out });
        }
    });
}

/// The query heads of one key-value head, for a few tokens.
struct HeadGroup<'a> {
    cache: &'a Cache,
    block: usize,
    kv: usize,
    heads: usize,
    /// Of token `first`.
    position: usize,
    first: usize,
    tokens: usize,
    q: &'a [f32],
    out: SharedMut<'a, f32>,
}

/// The online softmax of one query: the largest score so far and the sum of exponentials below it.
#[derive(Clone, Copy)]
struct Running {
    max: f32,
    sum: f32,
}

impl Kernel for HeadGroup<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { cache, heads, tokens, .. } = self;
        let (head, group) = (cache.head, heads / cache.kv_heads);
        let scale = 1.0 / (head as f32).sqrt();
        let base = cache.base(self.block, self.kv);
        let last = self.position + tokens - 1;

        let mut keys = vec![0f32; TILE * head]; // [TILE / 4, head, 4]
        let mut values = vec![0f32; TILE * head]; // [TILE, head]
        let count = tokens * group;
        let mut queries = vec![0f32; count * head]; // [tokens, group, head], scaled
        let mut running = vec![Running { max: f32::NEG_INFINITY, sum: 0.0 }; count];
        let at = |query: usize| ((self.first + query / group) * heads + self.kv * group + query % group) * head;
        // SAFETY: this unit alone owns these tokens' heads.
        let out = |query: usize| unsafe { self.out.slice(at(query)..at(query) + head) };
        for (query, scaled) in queries.chunks_exact_mut(head).enumerate() {
            for (to, q) in scaled.iter_mut().zip(&self.q[at(query)..]) {
                *to = q * scale;
            }
            out(query).fill(0.0);
        }
        for start in (0..=last).step_by(TILE) {
            // SAFETY: the cache holds whole tiles; head is a multiple of 4.
            unsafe {
                widen::<S>(&cache.keys[base + start * head..][..TILE * head], &mut keys);
                widen::<S>(&cache.values[base + start * head..][..TILE * head], &mut values);
            }
            // Of the tile, each query sees the positions up to its own token's.
            let seen = |query: usize| TILE.min(self.position + query / group + 1 - start);
            let mut query = start.saturating_sub(self.position) * group;
            while query < count {
                // SAFETY: as above; the two outputs are different heads'.
                unsafe {
                    if query + 2 <= count {
                        let both = [query, query + 1];
                        let (q, running) = (&queries[query * head..], &mut running[query..]);
                        tile::<S, 2>(head, q, &keys, &values, running, both.map(seen), both.map(out));
                        query += 2;
                    } else {
                        let (q, running) = (&queries[query * head..], &mut running[query..]);
                        tile::<S, 1>(head, q, &keys, &values, running, [seen(query)], [out(query)]);
                        query += 1;
                    }
                }
            }
        }
        for (query, running) in running.iter().enumerate() {
            let inverse = 1.0 / running.sum;
            out(query).iter_mut().for_each(|x| *x *= inverse);
        }
    }
}

#[inline(always)]
unsafe fn widen<S: Simd>(from: &[u16], to: &mut [f32]) {
    for (from, to) in from.as_chunks::<4>().0.iter().zip(to.as_chunks_mut::<4>().0) {
        // SAFETY: four elements each.
        unsafe { S::store(to.as_mut_ptr(), S::load_f16(from.as_ptr())) };
    }
}

/// Takes `Q` queries `[Q, head]` through a tile of keys and values, of which each sees the first `seen` positions.
#[inline(always)]
unsafe fn tile<S: Simd, const Q: usize>(
    head: usize,
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    running: &mut [Running],
    seen: [usize; Q],
    out: [&mut [f32]; Q],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut scores = [[0f32; TILE]; Q];
        dot_keys::<S, Q>(head, queries, keys, &mut scores);
        let keep = std::array::from_fn(|i| weigh::<S>(&mut running[i], &mut scores[i], seen[i]));
        add_values::<S, Q>(values, &scores, keep, out);
    }
}

/// `scores[p] = query . keys[p]` for the tile, 16 positions at a time.
#[inline(always)]
unsafe fn dot_keys<S: Simd, const Q: usize>(head: usize, queries: &[f32], keys: &[f32], scores: &mut [[f32; TILE]; Q]) {
    let stride = head * 4;
    debug_assert!(queries.len() >= Q * head && keys.len() == TILE * head);
    for p in (0..TILE).step_by(16) {
        // SAFETY: `keys` is [TILE / 4, head, 4]; p / 4 + 3 < TILE / 4.
        unsafe {
            let (mut k, mut q) = (keys.as_ptr().add(p / 4 * stride), queries.as_ptr());
            let mut sums = [[S::splat(0.0); 4]; Q];
            for _ in 0..head {
                let k4: [S::F32; 4] = std::array::from_fn(|i| S::load_f32(k.add(i * stride)));
                for (j, sums) in sums.iter_mut().enumerate() {
                    let q = S::splat(*q.add(j * head));
                    for (sum, k) in sums.iter_mut().zip(k4) {
                        *sum = S::mul_add(q, k, *sum);
                    }
                }
                (k, q) = (k.add(4), q.add(1));
            }
            for (scores, sums) in scores.iter_mut().zip(sums) {
                for (i, sum) in sums.into_iter().enumerate() {
                    S::store(scores.as_mut_ptr().add(p + 4 * i), sum);
                }
            }
        }
    }
}

/// The first `seen` scores of a tile into the softmax; they become weights. Returns what the values so far are to be multiplied by.
#[inline(always)]
unsafe fn weigh<S: Simd>(running: &mut Running, scores: &mut [f32; TILE], seen: usize) -> f32 {
    scores[seen..].fill(f32::NEG_INFINITY);
    // SAFETY: scores in fours.
    unsafe {
        let fours = scores.as_chunks_mut::<4>().0;
        let mut lanes = [0f32; 4];
        S::store(lanes.as_mut_ptr(), fours.iter().fold(S::splat(running.max), |m, s| S::max(m, S::load_f32(s.as_ptr()))));
        let max = lanes.iter().fold(running.max, |m, &s| if s > m { s } else { m });
        for s in fours.iter_mut() {
            S::store(s.as_mut_ptr(), exp::<S>(S::add(S::load_f32(s.as_ptr()), S::splat(-max))));
        }
        scores[seen..].fill(0.0);
        let sums = scores.as_chunks::<4>().0.iter().fold(S::splat(0.0), |sum, s| S::add(sum, S::load_f32(s.as_ptr())));
        S::store(lanes.as_mut_ptr(), exp::<S>(S::splat(running.max - max)));
        let keep = if running.max == max {
            1.0
        } else if running.max == f32::NEG_INFINITY {
            0.0
        } else {
            lanes[0]
        };
        *running = Running { max, sum: running.sum * keep + S::horizontal_sum(sums) };
        keep
    }
}

/// `out = keep * out + weights . values` for each query.
#[inline(always)]
unsafe fn add_values<S: Simd, const Q: usize>(values: &[f32], weights: &[[f32; TILE]; Q], keep: [f32; Q], out: [&mut [f32]; Q]) {
    let head = out[0].len();
    let out = out.map(|out| out.as_mut_ptr());
    // SAFETY: outs and each row of values hold `head` floats, in sixteens and then in fours.
    unsafe {
        let mut d = 0;
        while d + 16 <= head {
            add_columns::<S, Q, 4>(values.as_ptr().add(d), head, weights, keep, out.map(|out| out.add(d)));
            d += 16;
        }
        while d < head {
            add_columns::<S, Q, 1>(values.as_ptr().add(d), head, weights, keep, out.map(|out| out.add(d)));
            d += 4;
        }
    }
}

/// As `add_values`, for `4 N` columns.
#[inline(always)]
unsafe fn add_columns<S: Simd, const Q: usize, const N: usize>(
    values: *const f32,
    head: usize,
    weights: &[[f32; TILE]; Q],
    keep: [f32; Q],
    out: [*mut f32; Q],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums: [[S::F32; N]; Q] =
            std::array::from_fn(|j| std::array::from_fn(|i| S::mul(S::load_f32(out[j].add(4 * i)), S::splat(keep[j]))));
        let mut v = values;
        for p in 0..TILE {
            let v4: [S::F32; N] = std::array::from_fn(|i| S::load_f32(v.add(4 * i)));
            for (sums, weights) in sums.iter_mut().zip(weights) {
                let weight = S::splat(weights[p]);
                for (sum, v) in sums.iter_mut().zip(v4) {
                    *sum = S::mul_add(weight, v, *sum);
                }
            }
            v = v.add(head);
        }
        for (sums, out) in sums.into_iter().zip(out) {
            for (i, sum) in sums.into_iter().enumerate() {
                S::store(out.add(4 * i), sum);
            }
        }
    }
}
