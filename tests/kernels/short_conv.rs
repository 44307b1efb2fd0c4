//! Short convolutions against plain loops in f64, at ragged shapes, by one thread and by several.

use super::support::data::{Random, near};
use half::f16;
use siskin::backend::{
    CacheSize, Dims,
    cpu::{cache::Cache, pool::Pool, short_conv::short_conv},
};
use std::ops::Range;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LAYERS: usize = 2;
const POSITIONS: usize = 40;

fn cache(embedding: usize) -> Cache {
    let dims = Dims {
        embedding,
        heads: 1,
        kv_heads: 1,
        head_dim: 4,
        head_dims: Vec::new(),
        feed_forward: 4,
        vocab: 2,
        layers: LAYERS + 1,
        conv_layers: LAYERS,
        delta: None,
        layer_input: 0,
    };
    Cache::new(&dims, &CacheSize::whole(dims.layers, POSITIONS)).expect("memory")
}

#[test]
fn convolutions_are_plain_loops_however_tokens_come() {
    let mut random = Random::new(12);
    for (embedding, taps) in [(64, 3), (100, 3), (4, 1), (130, 4)] {
        let mut numbers =
            |n: usize| -> Vec<f32> { (0..n).map(|_| random.within(-2.0, 2.0)).collect() };
        let (conv, bcu) = (
            numbers(embedding * taps),
            numbers(POSITIONS * 3 * embedding),
        );
        let at = |p: usize, part: usize, d: usize| f64::from(bcu[(3 * p + part) * embedding + d]);
        let rounded = |p: usize, d: usize| f16::from_f64(at(p, 0, d) * at(p, 2, d)).to_f64();
        let mut whole = Vec::new();
        for (pieces, threads) in [(40, 1), (1, 1), (7, 1), (33, 3)] {
            let (pool, mut cache) = (Pool::new(threads), cache(embedding));
            let mut out = vec![f32::NAN; POSITIONS * embedding];
            let mut position = 0;
            for (bcu, out) in bcu
                .chunks(pieces * 3 * embedding)
                .zip(out.chunks_mut(pieces * embedding))
            {
                short_conv(&pool, &mut cache, 1, position, &conv, bcu, out);
                position += pieces;
            }
            if whole.is_empty() {
                whole.clone_from(&out);
            }
            assert!(whole == out, "in pieces of {pieces} by {threads} threads");
        }
        for p in 0..POSITIONS {
            for d in 0..embedding {
                let seen = (0..taps).filter(|tap| p + tap + 1 >= taps);
                let products = seen
                    .map(|tap| f64::from(conv[d * taps + tap]) * rounded(p + tap + 1 - taps, d));
                let expected = at(p, 1, d) * products.sum::<f64>();
                // An input in f32 may be on the other side of the middle between two f16.
                near(whole[p * embedding + d], expected, 0.05, &|| {
                    format!("{embedding} channels, {taps} taps, position {p}, channel {d}")
                });
            }
        }
    }
}

#[test]
fn what_is_convolved_is_kept_by_position() {
    let mut random = Random::new(13);
    let embedding = 72;
    let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| random.within(-2.0, 2.0)).collect() };
    let (conv, bcu) = (numbers(embedding * 3), numbers(POSITIONS * 3 * embedding));
    let (pool, mut out) = (Pool::default(), vec![0.0; POSITIONS * embedding]);
    let mut whole = cache(embedding);
    for layer in 0..LAYERS {
        short_conv(&pool, &mut whole, layer, 0, &conv, &bcu, &mut out);
    }
    let (first, later) = (23, 23 * 3 * embedding);
    // These positions of every layer.
    let of = |positions: Range<usize>| [(); LAYERS + 1].map(|()| positions.clone());
    let kept = whole.export(&of(0..first)).expect("memory");
    let mut copy = cache(embedding);
    copy.copy_from(&whole, &of(0..first));
    assert!(copy.export(&of(0..first)).expect("memory") == kept);
    let behind = copy.export(&of(first..POSITIONS)).expect("memory");
    assert!(behind.iter().all(|&bits| bits == 0), "too much was copied");
    let mut imported = cache(embedding);
    imported.import(&of(0..first), &kept);
    // What was cut, copied or taken out goes on as if it had never ended.
    for cache in [&mut whole, &mut copy, &mut imported] {
        let mut rest = vec![0.0; (POSITIONS - first) * embedding];
        short_conv(&pool, cache, 1, first, &conv, &bcu[later..], &mut rest);
        assert!(rest == out[first * embedding..]);
    }
}
