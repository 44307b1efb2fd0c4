//! Attention is compared with a plain softmax in f64.

use super::support::data::{Random, THOROUGH, near};
use half::f16;
use siskin::backend::{
    Attention, CacheSize, Dims,
    cpu::{attention::attend, cache::Cache, pool::Pool},
};
use std::ops::Range;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LAYERS: usize = 2;
const KV_HEADS: usize = 2;

/// Holds a cache of which every layer is full, with the keys and values of its last layer.
struct Case {
    attention: Attention,
    head_dim: usize,
    heads: usize,
    context: usize,
    cache: Cache,
    k: Vec<f32>,
    v: Vec<f32>,
}

fn dims(heads: usize, head_dim: usize) -> Dims {
    Dims {
        embedding: 32,
        heads,
        kv_heads: KV_HEADS,
        head_dim,
        head_dims: Vec::new(),
        feed_forward: 32,
        vocab: 32,
        layers: LAYERS,
        conv_layers: 0,
        delta: None,
        layer_input: 0,
    }
}

impl Case {
    /// Fills a cache with random keys, as large as `sharpness`, and random values up to 1.
    fn new(
        head_dim: usize,
        group: usize,
        context: usize,
        sharpness: f32,
        random: &mut Random,
    ) -> Self {
        let heads = group * KV_HEADS;
        let mut cache =
            Cache::new(&dims(heads, head_dim), &CacheSize::whole(LAYERS, context)).expect("memory");
        let (mut k, mut v) = (Vec::new(), Vec::new());
        for layer in 0..LAYERS {
            let mut values = |size: f32| {
                (0..context * KV_HEADS * head_dim)
                    .map(|_| random.within(-size, size))
                    .collect::<Vec<_>>()
            };
            (k, v) = (values(sharpness), values(1.0));
            // The pieces end within tiles.
            let piece = 13 * KV_HEADS * head_dim;
            for (i, (k, v)) in k.chunks(piece).zip(v.chunks(piece)).enumerate() {
                cache.append(&Pool::default(), layer, 13 * i, k, v);
            }
        }
        Self {
            attention: Attention::full(head_dim),
            head_dim,
            heads,
            context,
            cache,
            k,
            v,
        }
    }

    /// Returns the kernel's `[tokens, heads, head_dim]`, whose first token stands at `position`.
    fn attend(&self, pool: &Pool, position: usize, q: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; q.len()];
        attend(
            pool,
            &self.cache,
            LAYERS - 1,
            &self.attention,
            self.heads,
            position,
            q,
            &mut out,
        );
        out
    }

    /// Returns the positions that a token at `position` sees, where the last one has come.
    fn seen(&self, position: usize) -> Range<usize> {
        let window = self.attention.window as usize;
        let last = match self.attention.is_causal {
            true => position,
            false => position.saturating_add(window - 1).min(self.context - 1),
        };
        (position + 1).saturating_sub(window)..last + 1
    }

    /// Returns the plain softmax's result in f64, for one query head at `position`.
    fn plain(&self, position: usize, h: usize, q: &[f32]) -> Vec<f64> {
        let kv = h / (self.heads / KV_HEADS);
        let stored = |x: &[f32], p: usize, d: usize| {
            f16::from_f32(x[(p * KV_HEADS + kv) * self.head_dim + d]).to_f64()
        };
        let score = |p: usize| {
            let dot: f64 = q
                .iter()
                .enumerate()
                .map(|(d, &q)| f64::from(q) * stored(&self.k, p, d))
                .sum();
            let score = dot * f64::from(self.attention.scale);
            match f64::from(self.attention.softcap) {
                0.0 => score,
                softcap => softcap * (score / softcap).tanh(),
            }
        };
        let seen = self.seen(position);
        let first = seen.start;
        let scores: Vec<f64> = seen.map(score).collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
        let sum: f64 = weights.iter().sum();
        (0..self.head_dim)
            .map(|d| {
                weights
                    .iter()
                    .enumerate()
                    .map(|(p, w)| w / sum * stored(&self.v, first + p, d))
                    .sum()
            })
            .collect()
    }
}

fn contexts() -> &'static [usize] {
    if THOROUGH {
        &[1, 31, 32, 33, 512, 513, 1100]
    } else {
        &[1, 32, 33, 130, 513]
    }
}

fn each_case(check: impl Fn(&Case, &mut Random)) {
    let mut random = Random::new(7);
    for &context in contexts() {
        for group in [1, 2, 3, 7] {
            for head_dim in [4, 20, 64, 128] {
                for sharpness in [1.0, 30.0] {
                    check(
                        &Case::new(head_dim, group, context, sharpness, &mut random),
                        &mut random,
                    );
                }
            }
        }
    }
}

#[test]
fn attention_is_the_plain_softmax() {
    each_case(|case, random| {
        let tokens = case.context.min(3);
        let position = case.context - tokens;
        let q: Vec<f32> = (0..tokens * case.heads * case.head_dim)
            .map(|_| random.within(-1.0, 1.0))
            .collect();
        let out = case.attend(&Pool::default(), position, &q);
        for (i, (q, out)) in q
            .chunks_exact(case.head_dim)
            .zip(out.chunks_exact(case.head_dim))
            .enumerate()
        {
            let (t, h) = (i / case.heads, i % case.heads);
            for (d, &expected) in case.plain(position + t, h, q).iter().enumerate() {
                let what = || {
                    format!(
                        "{} of {} tokens, {} heads of {}, head {h}, {d}",
                        position + t,
                        case.context,
                        case.heads,
                        case.head_dim
                    )
                };
                // Values lie within 1, and a score's rounding shifts weights by as much.
                near(out[d], expected, 3e-5, &what);
            }
        }
    });
}

/// Each token of an encoder sees those behind it too, all of them or as many as before it.
#[test]
fn a_text_that_is_seen_whole_is_the_plain_softmax() {
    let all = u32::MAX;
    for (context, head_dim, group, window) in [
        (1, 32, 1, all),
        (33, 20, 3, all),
        (100, 64, 1, all),
        (515, 32, 2, all),
        (1, 32, 1, 7),
        (33, 20, 3, 1),
        (100, 64, 1, 7),
        (130, 20, 2, 33),
        (1100, 32, 1, 257),
    ] {
        let mut random = Random::new(13);
        let mut case = Case::new(head_dim, group, context, 3.0, &mut random);
        case.attention.is_causal = false;
        case.attention.window = window;
        let width = case.heads * head_dim;
        let q: Vec<f32> = (0..context * width)
            .map(|_| random.within(-1.0, 1.0))
            .collect();
        let out = case.attend(&Pool::default(), 0, &q);
        for t in [0, 1, context / 2, context - 1].map(|t| t.min(context - 1)) {
            let token = t * width..(t + 1) * width;
            let heads = q[token.clone()].chunks_exact(head_dim);
            for (h, (q, out)) in heads.zip(out[token].chunks_exact(head_dim)).enumerate() {
                for (&out, expected) in out.iter().zip(case.plain(t, h, q)) {
                    near(out, expected, 3e-5, &|| {
                        format!("{t} of {context}, {window}")
                    });
                }
            }
        }
        #[cfg(not(target_arch = "wasm32"))]
        assert!(case.attend(&Pool::new(3), 0, &q) == out, "{context}");
    }
}

/// Windows end within tiles and at their ends, and at those of the parts that threads share.
#[test]
fn windows_bounds_and_scales_are_those_of_the_plain_softmax() {
    let mut random = Random::new(11);
    for (context, head_dim, group) in [(40, 20, 3), (130, 64, 2), (1100, 48, 1)] {
        for window in [1, 9, 32, 33, 512, 2000] {
            for softcap in [0.0, 5.0] {
                let mut case = Case::new(head_dim, group, context, 3.0, &mut random);
                case.attention = Attention {
                    scale: 0.3,
                    window,
                    is_causal: true,
                    softcap,
                };
                let width = case.heads * head_dim;
                let q: Vec<f32> = (0..context.min(64) * width)
                    .map(|_| random.within(-1.0, 1.0))
                    .collect();
                let tokens = q.len() / width;
                let position = context - tokens;
                let together = case.attend(&Pool::default(), position, &q);
                for t in [0, 1, tokens / 2, tokens - 1] {
                    let (q, out) = (&q[t * width..][..width], &together[t * width..][..width]);
                    for (h, (q, out)) in q
                        .chunks_exact(head_dim)
                        .zip(out.chunks_exact(head_dim))
                        .enumerate()
                    {
                        let plain = case.plain(position + t, h, q);
                        for (&out, expected) in out.iter().zip(plain) {
                            near(out, expected, 3e-5, &|| {
                                format!("{position} + {t} of {context}, {window}, {softcap}")
                            });
                        }
                    }
                    #[cfg(not(target_arch = "wasm32"))]
                    for threads in [1, 3] {
                        let alone = case.attend(&Pool::new(threads), position + t, q);
                        assert!(alone == out, "{window}: a token sees its company");
                    }
                }
            }
        }
    }
}

#[test]
fn a_token_does_not_see_its_company() {
    let mut random = Random::new(8);
    #[cfg(not(target_arch = "wasm32"))]
    let pools = [2, 3, 5].map(Pool::new);
    // From 513 positions on, threads share the splits of one token and of few. Of the longest
    // context some tokens are looked at, on both sides of each split's end.
    for context in [3, 33, 100, 512, 513, 1030] {
        let step = if context > 600 { 73 } else { 1 };
        for head_dim in [20, 64] {
            let case = Case::new(head_dim, 3, context, 5.0, &mut random);
            let width = case.heads * head_dim;
            let q: Vec<f32> = (0..context * width)
                .map(|_| random.within(-1.0, 1.0))
                .collect();
            let together = case.attend(&Pool::default(), 0, &q);
            for t in ((context - 1) % step..context).step_by(step) {
                let q = &q[t * width..][..width];
                let alone = case.attend(&Pool::default(), t, q);
                assert!(
                    alone == together[t * width..][..width],
                    "token {t} of {context}, heads of {head_dim}"
                );
                #[cfg(not(target_arch = "wasm32"))]
                for pool in &pools {
                    assert!(
                        case.attend(pool, t, q) == alone,
                        "{} threads, token {t} of {context}, heads of {head_dim}",
                        pool.threads()
                    );
                }
            }
            #[cfg(not(target_arch = "wasm32"))]
            for pool in &pools {
                // Seven tokens make sets of queries that lie on both sides of a split's end.
                for tokens in [context, context.min(7)] {
                    let first = (context - tokens) * width;
                    assert!(
                        case.attend(pool, context - tokens, &q[first..]) == together[first..],
                        "{} threads, {tokens} of {context} tokens, heads of {head_dim}",
                        pool.threads()
                    );
                }
            }
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn threads_store_what_one_stores() {
    let mut random = Random::new(9);
    let (head_dim, context) = (20, 100);
    let case = Case::new(head_dim, 1, context, 5.0, &mut random);
    let q: Vec<f32> = (0..context * case.heads * head_dim)
        .map(|_| random.within(-1.0, 1.0))
        .collect();
    let expected = case.attend(&Pool::default(), 0, &q);
    let width = KV_HEADS * head_dim;
    for pool in [2, 3, 5].map(Pool::new) {
        for piece in [1, 15, 16, 17, 64, 100] {
            let mut cache = Cache::new(
                &dims(case.heads, head_dim),
                &CacheSize::whole(LAYERS, context),
            )
            .expect("memory");
            for (i, (k, v)) in case
                .k
                .chunks(piece * width)
                .zip(case.v.chunks(piece * width))
                .enumerate()
            {
                cache.append(&pool, LAYERS - 1, piece * i, k, v);
            }
            let mut out = vec![f32::NAN; q.len()];
            let one = Pool::default();
            attend(
                &one,
                &cache,
                LAYERS - 1,
                &case.attention,
                case.heads,
                0,
                &q,
                &mut out,
            );
            assert!(out == expected, "{} threads by {piece}", pool.threads());
        }
    }
}

#[test]
fn values_stay_within_halves() {
    let dims = Dims {
        embedding: 32,
        heads: 1,
        kv_heads: 1,
        head_dim: 8,
        head_dims: Vec::new(),
        feed_forward: 32,
        vocab: 32,
        layers: 1,
        conv_layers: 0,
        delta: None,
        layer_input: 0,
    };
    let mut cache = Cache::new(&dims, &CacheSize::whole(1, 2)).expect("memory");
    let (smallest, subnormal) = ((-24_f32).exp2(), -3.0 * (-20_f32).exp2());
    let v = [1e6, -1e6, 65504.0, 1e-9, smallest, subnormal, -0.25, 1.0];
    let pool = Pool::default();
    cache.append(&pool, 0, 0, &[0.0; 16], &[v, v].concat());
    let mut out = [f32::NAN; 8];
    attend(
        &pool,
        &cache,
        0,
        &Attention::full(8),
        1,
        1,
        &[0.0; 8],
        &mut out,
    );
    assert_eq!(
        out,
        [
            65504.0, -65504.0, 65504.0, 0.0, smallest, subnormal, -0.25, 1.0
        ]
    );
}

#[test]
fn queries_and_keys_of_any_size_score() {
    let dims = Dims {
        embedding: 32,
        heads: 1,
        kv_heads: 1,
        head_dim: 4,
        head_dims: Vec::new(),
        feed_forward: 32,
        vocab: 32,
        layers: 1,
        conv_layers: 0,
        delta: None,
        layer_input: 0,
    };
    for (q, k) in [
        (1e5, 1e-4),
        (1e-4, 6e4),
        (1e8, (-24_f32).exp2()),
        (1e-9, 1.0),
    ] {
        let mut cache = Cache::new(&dims, &CacheSize::whole(1, 2)).expect("memory");
        cache.append(
            &Pool::default(),
            0,
            0,
            &[k, 0.0, 0.0, 0.0, 0.0, k, 0.0, 0.0],
            &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        );
        let mut out = [f32::NAN; 4];
        attend(
            &Pool::default(),
            &cache,
            0,
            &Attention::full(4),
            1,
            1,
            &[q, 0.0, 0.0, 0.0],
            &mut out,
        );
        let expected = 1.0 / (1.0 + (-f64::from(q) * f16::from_f32(k).to_f64() / 2.0).exp());
        near(out[0], expected, 1e-6, &|| format!("{q} by {k}"));
        near(out[1], 1.0 - expected, 1e-6, &|| {
            format!("{q} by {k}, the other")
        });
    }
}

#[test]
fn keys_and_values_leave_a_cache_and_come_back_unchanged() {
    let mut random = Random::new(5);
    for (head_dim, context) in [(64, 1), (40, 33), (4, 70), (128, 64), (68, 95)] {
        let Case {
            cache, heads, k, v, ..
        } = Case::new(head_dim, 1, context, 2.0, &mut random);
        let dims = dims(heads, head_dim);
        let all = |range: Range<usize>| vec![range; LAYERS];
        let whole = cache.export(&all(0..context)).expect("memory");
        // The last layer's keys and values, as they were given, `[tokens, kv_heads, head_dim]`.
        let layer = &whole[whole.len() / LAYERS * (LAYERS - 1)..];
        for (vectors, given) in layer.chunks(layer.len() / 2).zip([&k, &v]) {
            for (i, &bits) in vectors.iter().enumerate() {
                let (head, position, d) =
                    (i / head_dim / context, i / head_dim % context, i % head_dim);
                let value = given[(position * KV_HEADS + head) * head_dim + d];
                assert_eq!(bits, f16::from_f32(value).to_bits());
            }
        }

        let mut copy = Cache::new(&dims, &CacheSize::whole(LAYERS, context)).expect("memory");
        copy.copy_from(&cache, &all(0..context));
        assert!(copy.export(&all(0..context)).expect("memory") == whole);

        // A part of it, at the place that it was taken from.
        let first = context / 3;
        let mut other = Cache::new(&dims, &CacheSize::whole(LAYERS, context)).expect("memory");
        let rest = all(first..context);
        other.import(&rest, &cache.export(&rest).expect("memory"));
        let part = other.export(&rest).expect("memory");
        assert!(part == cache.export(&rest).expect("memory"));
        let before = other.export(&all(0..first)).expect("memory");
        assert!(before.iter().all(|&bits| bits == 0), "it reached too far");
        assert!(
            Cache::size_bytes(&dims, &CacheSize::whole(LAYERS, context)) >= size_of_val(&*whole)
        );
    }
}

/// Copies, exports and imports wrap around where a layer's room ends.
#[test]
fn a_layer_that_keeps_its_last_positions_attends_as_one_that_keeps_all() {
    const ROOM: usize = 128;
    let mut random = Random::new(6);
    for (head_dim, group, window) in [(20, 3, 9), (64, 2, 32), (64, 1, 60)] {
        let context = 300;
        let mut case = Case::new(head_dim, group, context, 3.0, &mut random);
        case.attention.window = window;
        let size = CacheSize {
            context_tokens: context,
            layers: vec![context, ROOM],
        };
        let dims = dims(case.heads, head_dim);
        let mut cache = Cache::new(&dims, &size).expect("memory");
        let (kv_width, width) = (KV_HEADS * head_dim, case.heads * head_dim);
        let q: Vec<f32> = (0..context * width)
            .map(|_| random.within(-1.0, 1.0))
            .collect();
        let mut position = 0;
        for tokens in [1, 13, 64, 50, 1, 64, 64, 33, 10].into_iter().cycle() {
            let end = context.min(position + tokens);
            let [kv, queries] = [kv_width, width].map(|width| position * width..end * width);
            let (k, v) = (&case.k[kv.clone()], &case.v[kv]);
            cache.append(&Pool::default(), LAYERS - 1, position, k, v);
            // What lies in a cache goes from one to the next.
            let kept = [0..0, end.saturating_sub(ROOM)..end];
            let mut copy = Cache::new(&dims, &size).expect("memory");
            copy.copy_from(&cache, &kept);
            let kv = copy.export(&kept).expect("memory");
            assert!(kv == case.cache.export(&kept).expect("memory"));
            cache = Cache::new(&dims, &size).expect("memory");
            cache.import(&kept, &kv);

            let expected = case.attend(&Pool::default(), position, &q[queries.clone()]);
            for pool in pools() {
                let mut out = vec![f32::NAN; queries.len()];
                attend(
                    &pool,
                    &cache,
                    LAYERS - 1,
                    &case.attention,
                    case.heads,
                    position,
                    &q[queries.clone()],
                    &mut out,
                );
                assert!(out == expected, "{window}: {tokens} tokens at {position}");
            }
            position = end;
            if position == context {
                break;
            }
        }
        let all = CacheSize::whole(LAYERS, context);
        assert_eq!(
            Cache::size_bytes(&dims, &all) - Cache::size_bytes(&dims, &size),
            (context.next_multiple_of(32) - ROOM)
                * KV_HEADS
                * (head_dim + head_dim.next_multiple_of(16))
                * 2
        );
    }
}

fn pools() -> Vec<Pool> {
    #[cfg(not(target_arch = "wasm32"))]
    return vec![Pool::default(), Pool::new(3)];
    #[cfg(target_arch = "wasm32")]
    vec![Pool::default()]
}
