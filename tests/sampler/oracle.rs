//! The sampler gives what a slow one gives.

use super::*;
use proptest::prelude::*;

/// Samples the slow way, in f64 and in llama.cpp's order: sorts all tokens, cuts, and scales what
/// is left by the temperature last. Returns the probability of each token that is kept.
fn oracle(options: &SamplingOptions, logits: &[f32]) -> BTreeMap<u32, f64> {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_by(|&a, &b| {
        logits[b as usize]
            .total_cmp(&logits[a as usize])
            .then(a.cmp(&b))
    });
    if options.top_k > 0 {
        order.truncate(options.top_k as usize);
    }
    let max = logits[order[0] as usize];
    let below = |token: u32| f64::from(logits[token as usize]) - f64::from(max);
    if options.top_p < 1.0 {
        let goal =
            order.iter().map(|&token| below(token).exp()).sum::<f64>() * f64::from(options.top_p);
        let mut reached = 0.0;
        let end = order.iter().position(|&token| {
            reached += below(token).exp();
            reached >= goal
        });
        order.truncate(end.map_or(order.len(), |end| end + 1));
    }
    order.retain(|&token| below(token).exp() >= f64::from(options.min_p));
    let weight = |token: u32| (below(token) / f64::from(options.temperature)).exp();
    let total: f64 = order.iter().map(|&token| weight(token)).sum();
    order
        .into_iter()
        .map(|token| (token, weight(token) / total))
        .collect()
}

#[test]
fn temperature_comes_after_the_filters() {
    let logits = logits(&[0.5, 0.3, 0.15, 0.05]);
    let kept = |temperature, top_p, min_p| {
        let options = SamplingOptions {
            temperature,
            top_p,
            min_p,
            ..plain()
        };
        tokens(&distribution(options, &logits))
    };
    // At temperature 2 the first two would have 0.60 of the probability, and the third 0.55 of the
    // first's.
    assert_eq!(kept(2.0, 0.7, 0.0), [0, 1]);
    assert_eq!(kept(2.0, 1.0, 0.5), [0, 1]);
    // At temperature 0.3 the first would have 0.83.
    assert_eq!(kept(0.3, 0.7, 0.0), [0, 1]);
    assert_eq!(kept(0.3, 1.0, 0.5), [0, 1]);
}

#[test]
fn what_is_far_below_the_likeliest_has_no_probability() {
    // More tokens than are weighed at once, and in the second half none with any weight.
    let mut logits = vec![-20.0; 600];
    logits[3] = 3.0;
    for top_k in [0, 500] {
        let options = SamplingOptions {
            temperature: 0.05,
            top_k,
            ..plain()
        };
        let candidates = distribution(options, &logits);
        assert!(candidates.len() >= 500);
        for candidate in candidates {
            let expected = if candidate.token == 3 { 1.0 } else { 0.0 };
            assert_eq!(candidate.probability, expected, "{candidate:?}");
        }
    }
}

#[test]
fn a_large_vocabulary_is_sampled_as_the_oracle_says() {
    let mut state = 1_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let mut logits: Vec<f32> = (0..151_936).map(|_| 8.0 * (random() + random())).collect();
    logits[77_000] = 19.0;
    logits[150_000] = 18.0;
    logits[5] = f32::NEG_INFINITY;
    for (temperature, top_p, min_p) in [
        (1.0, 1.0, 0.0),
        (0.7, 1.0, 0.0),
        (2.0, 1.0, 0.0),
        (1.0, 0.9, 0.0),
        (1.0, 0.999, 0.0),
        (0.5, 0.3, 0.0),
        (1.5, 1.0, 0.01),
    ] {
        let options = SamplingOptions {
            temperature,
            top_p,
            min_p,
            ..plain()
        };
        let expected = oracle(&options, &logits);
        let mut sampler = Sampler::new(options, logits.len()).unwrap();
        let kept = sampler.distribution(&mut logits.clone()).unwrap().to_vec();
        assert!(kept.len().abs_diff(expected.len()) <= 1, "{temperature}");
        for candidate in kept {
            let expected = expected.get(&candidate.token).copied().unwrap_or(0.0);
            assert!(
                (f64::from(candidate.probability) - expected).abs() <= 1e-5 * expected + 1e-9,
                "{candidate:?}, {expected} at {temperature}, {top_p}, {min_p}"
            );
        }
        // The token is the one at which the probabilities, in the order of the ids, reach the draw.
        for _ in 0..20 {
            let draw = f64::from(sampler.draw(0));
            let token = sampler.sample(&mut logits.clone()).unwrap();
            let before: f64 = expected.range(..token).map(|(_, p)| p).sum();
            let after = before + expected.get(&token).copied().unwrap_or(0.0);
            assert!(
                (before - 1e-5..after + 1e-5).contains(&draw),
                "{token} at {draw} lies at {before}..{after}"
            );
        }
    }
}

#[test]
fn a_large_vocabulary_of_close_logits_is_cut_as_the_oracle_says() {
    const VOCAB: usize = 151_936;
    let forbidden = |i: usize| i.is_multiple_of(3);
    let kinds: [(&str, Vec<f32>); 4] = [
        ("equal", vec![1.5; VOCAB]),
        (
            "tied",
            (0..VOCAB)
                .map(|i| (i * 7919 % 11) as f32 / 1000.0)
                .collect(),
        ),
        (
            "far below",
            (0..VOCAB)
                .map(|i| if i == 9 { 40.0 } else { (i % 5) as f32 })
                .collect(),
        ),
        (
            "masked",
            (0..VOCAB)
                .map(|i| {
                    if forbidden(i) {
                        f32::NEG_INFINITY
                    } else {
                        (i * 7919 % 1000) as f32 / 100.0
                    }
                })
                .collect(),
        ),
    ];
    for (name, logits) in &kinds {
        for (top_p, min_p) in [
            (0.0, 0.0),
            (0.25, 0.0),
            (0.99, 0.0),
            (0.99, 0.9),
            (0.9, 1e-9),
        ] {
            let options = SamplingOptions {
                top_p,
                min_p,
                ..plain()
            };
            let kept = distribution(options.clone(), logits);
            let expected = oracle(&options, logits);
            let differing = kept
                .iter()
                .filter(|candidate| !expected.contains_key(&candidate.token))
                .count();
            assert!(
                differing <= 1 && kept.len().abs_diff(expected.len()) <= 1,
                "{name}, {top_p}, {min_p}: {} of {}, {differing} differ",
                kept.len(),
                expected.len()
            );
            assert!(kept.is_sorted_by(|a, b| (b.probability, a.token) <= (a.probability, b.token)));
        }
    }
}

proptest! {
    #[test]
    fn filters_agree_with_a_full_sort(
        logits in prop::collection::vec(
            prop_oneof![9 => -20.0f32..20.0, 1 => Just(3.0f32)],
            1..1500,
        ),
        temperature in 0.05f32..2.0,
        top_k in prop_oneof![Just(0u32), 1u32..300],
        top_p in prop_oneof![Just(1.0f32), 0.0f32..1.0],
        min_p in prop_oneof![Just(0.0f32), 0.0f32..1.0],
        seed: u64,
    ) {
        let options = SamplingOptions {
            temperature,
            top_k,
            top_p,
            min_p,
            seed: Some(seed),
            ..SamplingOptions::default()
        };
        let mut sampler = Sampler::new(options.clone(), logits.len()).unwrap();
        let candidates = sampler.distribution(&mut logits.clone()).unwrap().to_vec();
        let total: f64 = candidates
            .iter()
            .map(|candidate| f64::from(candidate.probability))
            .sum();
        prop_assert!((total - 1.0).abs() < 1e-4, "sum {}", total);
        let kept: BTreeMap<u32, f64> = candidates
            .iter()
            .map(|candidate| (candidate.token, f64::from(candidate.probability)))
            .collect();
        let chosen = sampler.sample(&mut logits.clone()).unwrap();
        prop_assert!(kept.contains_key(&chosen));
        let expected = oracle(&options, &logits);
        // A rounding may put one token on the other side of the border of `top_p`, and one on that
        // of `min_p`.
        let missing = expected.keys().filter(|token| !kept.contains_key(token));
        let wrong = kept.keys().filter(|token| !expected.contains_key(token));
        let differing = wrong.count() + missing.count();
        prop_assert!(
            differing <= usize::from(top_p < 1.0) + usize::from(min_p > 0.0),
            "{} differ: {:?} and {:?}",
            differing,
            kept,
            expected
        );
        if differing == 0 {
            for (token, expected) in &expected {
                prop_assert!((kept[token] - expected).abs() <= 1e-4 * expected + 1e-9);
            }
        }
    }
}
