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
        let mut query = vec![0f32; head];
        let mut scores = [0f32; TILE];
        let mut running = vec![Running { max: f32::NEG_INFINITY, sum: 0.0 }; tokens * group];
        let at = |t: usize, g: usize| ((self.first + t) * heads + self.kv * group + g) * head;
        for t in 0..tokens {
            for g in 0..group {
                // SAFETY: this unit alone owns these tokens' heads.
                unsafe { self.out.slice(at(t, g)..at(t, g) + head) }.fill(0.0);
            }
        }
        for start in (0..=last).step_by(TILE) {
            // SAFETY: the cache holds whole tiles; head is a multiple of 4.
            unsafe {
                widen::<S>(&cache.keys[base + start * head..][..TILE * head], &mut keys);
                widen::<S>(&cache.values[base + start * head..][..TILE * head], &mut values);
            }
            for t in start.saturating_sub(self.position)..tokens {
                let seen = TILE.min(self.position + t + 1 - start);
                for g in 0..group {
                    for (to, q) in query.iter_mut().zip(&self.q[at(t, g)..]) {
                        *to = q * scale;
                    }
                    // SAFETY: as above.
                    unsafe {
                        dot_keys::<S>(&query, &keys, &mut scores);
                        let out = self.out.slice(at(t, g)..at(t, g) + head);
                        accumulate::<S>(&mut running[t * group + g], &mut scores, seen, &values, out);
                    }
                }
            }
        }
        for t in 0..tokens {
            for g in 0..group {
                let inverse = 1.0 / running[t * group + g].sum;
                // SAFETY: as above.
                unsafe { self.out.slice(at(t, g)..at(t, g) + head) }.iter_mut().for_each(|x| *x *= inverse);
            }
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

/// `scores[p] = query . keys[p]` for the tile, 16 positions at a time.
#[inline(always)]
unsafe fn dot_keys<S: Simd>(query: &[f32], keys: &[f32], scores: &mut [f32; TILE]) {
    let stride = query.len() * 4;
    for p in (0..TILE).step_by(16) {
        // SAFETY: `keys` is [TILE / 4, head, 4]; p / 4 + 3 < TILE / 4.
        unsafe {
            let k = keys.as_ptr().add(p / 4 * stride);
            let mut sums = [S::splat(0.0); 4];
            for (d, &q) in query.iter().enumerate() {
                let q = S::splat(q);
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = S::mul_add(q, S::load_f32(k.add(i * stride + 4 * d)), *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                S::store(scores.as_mut_ptr().add(p + 4 * i), sum);
            }
        }
    }
}

/// The first `seen` scores of a tile into the softmax, and their values, so weighted, into `out`.
#[inline(always)]
unsafe fn accumulate<S: Simd>(running: &mut Running, scores: &mut [f32; TILE], seen: usize, values: &[f32], out: &mut [f32]) {
    let head = out.len();
    let max = scores[..seen].iter().fold(running.max, |m, &s| if s > m { s } else { m });
    // SAFETY: scores in fours; out and each row of values hold `head` floats, in sixteens and then in fours.
    unsafe {
        for s in scores.as_chunks_mut::<4>().0 {
            S::store(s.as_mut_ptr(), exp::<S>(S::add(S::load_f32(s.as_ptr()), S::splat(-max))));
        }
        scores[seen..].fill(0.0);
        let sums = scores.as_chunks::<4>().0.iter().fold(S::splat(0.0), |sum, s| S::add(sum, S::load_f32(s.as_ptr())));
        let keep = if running.max == f32::NEG_INFINITY { 0.0 } else { (running.max - max).exp() };
        running.sum = running.sum * keep + S::horizontal_sum(sums);
        running.max = max;
        let keep = S::splat(keep);
        let mut d = 0;
        while d + 16 <= head {
            let o = out.as_mut_ptr().add(d);
            let mut acc: [S::F32; 4] = std::array::from_fn(|i| S::mul(S::load_f32(o.add(4 * i)), keep));
            for (p, &s) in scores.iter().enumerate() {
                let (s, v) = (S::splat(s), values.as_ptr().add(p * head + d));
                for (i, acc) in acc.iter_mut().enumerate() {
                    *acc = S::mul_add(s, S::load_f32(v.add(4 * i)), *acc);
                }
            }
            for (i, acc) in acc.into_iter().enumerate() {
                S::store(o.add(4 * i), acc);
            }
            d += 16;
        }
        while d < head {
            let o = out.as_mut_ptr().add(d);
            let mut acc = S::mul(S::load_f32(o), keep);
            for (p, &s) in scores.iter().enumerate() {
                acc = S::mul_add(S::splat(s), S::load_f32(values.as_ptr().add(p * head + d)), acc);
            }
            S::store(o, acc);
            d += 4;
        }
    }
}
