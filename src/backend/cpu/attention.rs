//! Attention reads the f16 cache a tile of positions at a time and keeps the softmax online
//! (Milakov and Gimelshein, arXiv 1805.02867), so that no row of scores is ever held whole.
//!
//! The softmax begins anew at fixed positions, and what these splits come to is merged in their
//! order. So threads may share the splits where there are few queries (Flash-Decoding: Dao et al.,
//! 2023), and yet a token's result depends neither on the number of threads nor on how many tokens
//! came with it.

use super::{
    cache::{Cache, Layer},
    pool::{Pool, SharedMut},
    query_set::{QUERIES, QuerySet, Results, SPLIT},
    softmax::{OnlineSoftmax, add_scaled},
};
use crate::backend::Attention;

/// Threads share splits where there are fewer sets of queries than this number for each thread.
const MIN_SETS: usize = 8;

/// Computes `out = softmax(scale * q K^T) V` over the positions that each token sees, where `q` and
/// `out` are `[tokens, heads, head_dim]` and the first token stands at `position`.
#[expect(
    clippy::too_many_arguments,
    reason = "they are the operands of one operation"
)]
pub fn attend(
    pool: &Pool,
    cache: &Cache,
    layer: usize,
    attention: &Attention,
    heads: usize,
    position: usize,
    q: &[f32],
    out: &mut [f32],
) {
    let kv_heads = cache.kv_heads;
    let Layer {
        positions,
        head_dim,
        columns,
        ..
    } = cache.layer(layer);
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
                keys: &cache.keys[cache.key_rows(layer, kv)],
                values: &cache.values[cache.value_rows(layer, kv)],
                positions,
                head_dim,
                attention,
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
