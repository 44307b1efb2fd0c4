//! Attention reads the f16 cache a tile of positions at a time and keeps the softmax online
//! (Milakov and Gimelshein, arXiv 1805.02867), so that no row of scores is ever held whole.
//!
//! The softmax begins anew at fixed positions, and what these splits come to is merged in their
//! order. So threads may share the splits where there are few queries (Flash-Decoding: Dao et al.,
//! 2023), and yet a token's result depends neither on the number of threads nor on how many tokens
//! came with it.

use super::{
    pool::{Pool, SharedMut},
    query_set::{LANES, QUERIES, QuerySet, Results, Row, SPLIT, TILE},
    softmax::{OnlineSoftmax, add_scaled},
};
use crate::{Code, Error, Result, backend::Dims};
use half::f16;
use std::ops::Range;

/// Threads share splits where there are fewer sets of queries than this number for each thread.
const MIN_SETS: usize = 8;

/// Holds the KV cache: keys and values of every position as f16, by layer and key-value head.
pub struct Cache {
    /// Holds the keys `[layers, kv_heads, positions / LANES, head_dim, LANES]`: a row is one
    /// dimension of neighbouring positions.
    keys: Vec<Row>,
    /// Holds the values `[layers, kv_heads, positions / TILE, columns / LANES, TILE, LANES]`: a row
    /// is neighbouring dimensions of one position.
    values: Vec<Row>,
    kv_heads: usize,
    head_dim: usize,
    /// Holds `head_dim` rounded up to whole rows.
    columns: usize,
    /// Counts the positions, rounded up to whole tiles.
    positions: usize,
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

    /// Returns the memory that the cache takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        size_of::<Row>() * (self.keys.len() + self.values.len())
    }

    /// Returns the range of the rows of layer `layer` and key-value head `kv`, where a position is
    /// `width` wide.
    fn rows(&self, layer: usize, kv: usize, width: usize) -> Range<usize> {
        let rows = self.positions / LANES * width;
        let first = (layer * self.kv_heads + kv) * rows;
        first..first + rows
    }

    /// Stores `k` and `v`, `[tokens, kv_heads, head_dim]` each, at the positions from `position`
    /// on. The threads share the positions, in groups whose keys lie in the same rows.
    pub fn append(&mut self, pool: &Pool, layer: usize, position: usize, k: &[f32], v: &[f32]) {
        let (head_dim, columns) = (self.head_dim, self.columns);
        let width = self.kv_heads * head_dim;
        let (first, end) = (position / LANES, position + k.len() / width);
        let key_rows = self.rows(layer, 0, head_dim);
        let value_rows = self.rows(layer, 0, columns);
        let (keys, values) = (
            SharedMut::new(&mut self.keys),
            SharedMut::new(&mut self.values),
        );
        let groups = end.div_ceil(LANES).saturating_sub(first);
        pool.split(groups, |range| {
            for p in
                position.max((first + range.start) * LANES)..end.min((first + range.end) * LANES)
            {
                let token = (p - position) * width..(p - position + 1) * width;
                let heads = k[token.clone()]
                    .chunks_exact(head_dim)
                    .zip(v[token].chunks_exact(head_dim));
                for (kv, (k, v)) in heads.enumerate() {
                    let at = key_rows.start + kv * key_rows.len() + p / LANES * head_dim;
                    // SAFETY: the rows of a group of positions belong to one item.
                    let keys = unsafe { keys.slice(at..at + head_dim) };
                    for (row, &k) in keys.iter_mut().zip(k) {
                        row[p % LANES] = to_f16(k);
                    }
                    let tile = value_rows.start
                        + kv * value_rows.len()
                        + p / TILE * (TILE * columns / LANES);
                    for (i, v) in v.chunks(LANES).enumerate() {
                        let at = tile + i * TILE + p % TILE;
                        // SAFETY: this row is of this position alone.
                        let row = unsafe { values.slice(at..at + 1) };
                        for (to, &v) in row.iter_mut().flatten().zip(v) {
                            *to = to_f16(v);
                        }
                    }
                }
            }
        });
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
    let &Cache {
        kv_heads,
        head_dim,
        columns,
        ..
    } = cache;
    let (group, queries) = (heads / kv_heads, q.len() / head_dim);
    // The queries of one key-value head are those of every token and every query head that shares
    // it.
    let count = queries / kv_heads;
    let sets = count.div_ceil(QUERIES);
    let splits = (position + queries / heads).div_ceil(SPLIT);
    let share_splits =
        splits > 1 && pool.threads() > 1 && kv_heads * sets < MIN_SETS * pool.threads();
    let shares = if share_splits { splits } else { 1 };
    let partials = if share_splits { queries * splits } else { 0 };
    let mut softmax = vec![OnlineSoftmax::EMPTY; partials];
    let mut sums = vec![0f32; partials * columns];
    let results = Results {
        out: SharedMut::new(out),
        softmax: SharedMut::new(&mut softmax),
        sums: SharedMut::new(&mut sums),
        shares,
    };
    pool.split(kv_heads * shares * sets, |units| {
        for unit in units {
            let (kv, share) = (unit / sets / shares, unit / sets % shares);
            let first = unit % sets * QUERIES;
            let set = QuerySet {
                keys: &cache.keys[cache.rows(layer, kv, head_dim)],
                values: &cache.values[cache.rows(layer, kv, columns)],
                head_dim,
                kv_heads,
                kv,
                group,
                position,
                first,
                q,
                share,
                results,
            };
            set.run(count - first);
        }
    });
    if share_splits {
        let partials = softmax
            .chunks_exact(splits)
            .zip(sums.chunks_exact_mut(splits * columns));
        for ((softmax, sums), out) in partials.zip(out.chunks_exact_mut(head_dim)) {
            let (mut total, (sums, later)) = (softmax[0], sums.split_at_mut(columns));
            for (part, part_sums) in softmax[1..].iter().zip(later.chunks_exact(columns)) {
                add_scaled(sums, part_sums, total.merge(*part));
            }
            total.divide(sums, out);
        }
    }
}
