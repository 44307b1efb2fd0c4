//! Tests the sampler: each filter on logits made by hand, seeds, and a slow oracle.

mod oracle;

use siskin::{
    Code,
    backend::sampling::TokenSampler as _,
    generate::{
        rng::Pcg32,
        sampler::{Candidate, Sampler, SamplingOptions},
    },
};
use std::collections::BTreeMap;

/// Returns the options of the plain softmax: no filter, no penalty.
fn plain() -> SamplingOptions {
    SamplingOptions {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: Some(1),
        ..SamplingOptions::default()
    }
}

fn distribution(options: SamplingOptions, logits: &[f32]) -> Vec<Candidate> {
    let mut sampler = Sampler::new(options, logits.len()).unwrap();
    sampler.distribution(&mut logits.to_vec()).unwrap().to_vec()
}

fn tokens(candidates: &[Candidate]) -> Vec<u32> {
    candidates.iter().map(|candidate| candidate.token).collect()
}

/// Returns logits whose softmax is `probabilities`.
fn logits(probabilities: &[f32]) -> Vec<f32> {
    probabilities.iter().map(|p| p.ln() + 3.0).collect()
}

#[test]
fn pcg32_gives_the_reference_sequence() {
    let mut rng = Pcg32::new(42, 54);
    let drawn: Vec<u32> = (0..6).map(|_| rng.next_u32()).collect();
    assert_eq!(
        drawn,
        [
            0xa15c_02b7,
            0x7b47_f409,
            0xba1d_3330,
            0x83d2_f293,
            0xbfa4_784b,
            0xcbed_606e
        ]
    );
}

#[test]
fn greedy_takes_the_first_of_the_largest() {
    let mut sampler = Sampler::new(SamplingOptions::greedy(), 4).unwrap();
    assert_eq!(sampler.sample(&mut [0.0, 7.0, -1.0, 7.0]).unwrap(), 1);
    assert_eq!(
        sampler
            .sample(&mut [-5.0, -4.0, f32::NEG_INFINITY, -3.0])
            .unwrap(),
        3
    );
}

#[test]
fn without_filters_the_distribution_is_softmax() {
    let expected = [0.5, 0.25, 0.125, 0.125];
    for (candidate, expected) in distribution(plain(), &logits(&expected))
        .iter()
        .zip(expected)
    {
        assert!(
            (candidate.probability - expected).abs() < 1e-6,
            "{candidate:?}"
        );
    }
}

#[test]
fn temperature_sharpens_and_flattens() {
    let half = distribution(
        SamplingOptions {
            temperature: 0.5,
            ..plain()
        },
        &logits(&[0.8, 0.2]),
    );
    assert!((half[0].probability - 0.64 / 0.68).abs() < 1e-5);
    let double = distribution(
        SamplingOptions {
            temperature: 2.0,
            ..plain()
        },
        &logits(&[0.8, 0.2]),
    );
    assert!((double[0].probability - 2.0 / 3.0).abs() < 1e-5);
    let frozen = distribution(
        SamplingOptions {
            temperature: 1e-30,
            ..plain()
        },
        &logits(&[0.3, 0.4, 0.3]),
    );
    assert_eq!(frozen[1].probability, 1.0);
}

#[test]
fn top_k_keeps_the_largest_and_breaks_ties_by_id() {
    let kept = distribution(
        SamplingOptions {
            top_k: 3,
            ..plain()
        },
        &[1.0, 5.0, 2.0, 2.0, 2.0, 9.0],
    );
    assert_eq!(tokens(&kept), [5, 1, 2]);
    let more_than_there_are = distribution(
        SamplingOptions {
            top_k: 99,
            ..plain()
        },
        &[1.0, 2.0],
    );
    assert_eq!(more_than_there_are.len(), 2);
}

#[test]
fn top_k_counts_masked_tokens_as_impossible() {
    let kept = distribution(
        SamplingOptions {
            top_k: 2,
            ..plain()
        },
        &[f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY, 1.0],
    );
    assert_eq!(
        kept[0],
        Candidate {
            token: 3,
            probability: 1.0
        }
    );
    let mut sampler = Sampler::new(
        SamplingOptions {
            top_k: 2,
            ..plain()
        },
        4,
    )
    .unwrap();
    for _ in 0..100 {
        assert_eq!(
            sampler
                .sample(&mut [f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY, 1.0])
                .unwrap(),
            3
        );
    }
}

#[test]
fn top_p_keeps_the_fewest_that_reach_it() {
    let logits = logits(&[0.1, 0.5, 0.3, 0.1]);
    let kept = |top_p| tokens(&distribution(SamplingOptions { top_p, ..plain() }, &logits));
    assert_eq!(kept(0.45), [1]);
    assert_eq!(kept(0.55), [1, 2]);
    assert_eq!(kept(0.85), [1, 2, 0]);
    assert_eq!(kept(0.0), [1]);
}

#[test]
fn top_p_counts_the_mass_that_top_k_left() {
    let kept = distribution(
        SamplingOptions {
            top_k: 2,
            top_p: 0.6,
            ..plain()
        },
        &logits(&[0.5, 0.3, 0.2]),
    );
    assert_eq!(tokens(&kept), [0]);
}

#[test]
fn min_p_is_relative_to_the_likeliest() {
    let kept = distribution(
        SamplingOptions {
            min_p: 0.25,
            ..plain()
        },
        &logits(&[0.1, 0.5, 0.3, 0.1]),
    );
    assert_eq!(tokens(&kept), [1, 2]);
}

#[test]
fn repetition_penalty_divides_positive_and_multiplies_negative_logits() {
    let mut sampler = Sampler::new(
        SamplingOptions {
            repetition_penalty: 2.0,
            ..SamplingOptions::greedy()
        },
        3,
    )
    .unwrap();
    sampler.observe_prompt(&[0, 1, 1]);
    let mut logits = [4.0, -4.0, 1.0];
    sampler.distribution(&mut logits).unwrap();
    assert_eq!(logits, [2.0, -8.0, 1.0]);
}

#[test]
fn frequency_and_presence_count_the_answer_alone() {
    let options = SamplingOptions {
        frequency_penalty: 0.5,
        presence_penalty: 1.0,
        ..SamplingOptions::greedy()
    };
    let mut sampler = Sampler::new(options, 2).unwrap();
    sampler.observe_prompt(&[0, 0, 0]);
    let adjusted = |sampler: &mut Sampler| {
        let mut logits = [10.0, 0.0];
        assert_eq!(sampler.sample(&mut logits).unwrap(), 0);
        logits[0]
    };
    assert_eq!(adjusted(&mut sampler), 10.0);
    assert_eq!(adjusted(&mut sampler), 8.5);
    assert_eq!(adjusted(&mut sampler), 8.0);
}

#[test]
fn logit_bias_forces_and_forbids() {
    let biased = |token, bias| {
        let options = SamplingOptions {
            logit_bias: BTreeMap::from([(token, bias)]),
            ..SamplingOptions::greedy()
        };
        Sampler::new(options, 3)
            .unwrap()
            .sample(&mut [3.0, 2.0, 1.0])
            .unwrap()
    };
    assert_eq!(biased(2, 100.0), 2);
    assert_eq!(biased(0, -100.0), 1);
}

#[test]
fn draws_follow_the_probabilities() {
    let probabilities = [0.5, 0.3, 0.15, 0.05];
    let mut sampler = Sampler::new(plain(), 4).unwrap();
    let mut counts = [0u32; 4];
    for _ in 0..20_000 {
        counts[sampler.sample(&mut logits(&probabilities)).unwrap() as usize] += 1;
    }
    for (count, probability) in counts.iter().zip(probabilities) {
        // Five standard deviations of 20,000 draws are below 0.018.
        assert!(
            (*count as f32 / 20_000.0 - probability).abs() < 0.018,
            "{counts:?}"
        );
    }
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let run = |seed| {
        let mut sampler = Sampler::new(SamplingOptions { seed, ..plain() }, 100).unwrap();
        (0..50)
            .map(|_| sampler.sample(&mut [0.0; 100]).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(Some(7)), run(Some(7)));
    assert_ne!(run(Some(7)), run(Some(8)));
    assert_ne!(run(None), run(None));
}

#[test]
fn broken_logits_are_an_error() {
    for broken in [
        [0.0, f32::NAN],
        [f32::INFINITY, 0.0],
        [f32::NEG_INFINITY, f32::NEG_INFINITY],
    ] {
        for options in [SamplingOptions::greedy(), plain()] {
            assert_eq!(
                Sampler::new(options, 2)
                    .unwrap()
                    .sample(&mut broken.clone())
                    .unwrap_err()
                    .code,
                Code::NotFinite,
                "{broken:?}"
            );
        }
    }
    assert_eq!(
        Sampler::new(plain(), 0)
            .unwrap()
            .sample(&mut [])
            .unwrap_err()
            .code,
        Code::NotFinite
    );
}

#[test]
fn options_out_of_range_are_named() {
    let cases = [
        (
            "temperature",
            SamplingOptions {
                temperature: -0.1,
                ..plain()
            },
        ),
        (
            "temperature",
            SamplingOptions {
                temperature: f32::NAN,
                ..plain()
            },
        ),
        (
            "top_p",
            SamplingOptions {
                top_p: 1.1,
                ..plain()
            },
        ),
        (
            "min_p",
            SamplingOptions {
                min_p: -1.0,
                ..plain()
            },
        ),
        (
            "repetition_penalty",
            SamplingOptions {
                repetition_penalty: 0.0,
                ..plain()
            },
        ),
        (
            "frequency_penalty",
            SamplingOptions {
                frequency_penalty: 2.5,
                ..plain()
            },
        ),
        (
            "presence_penalty",
            SamplingOptions {
                presence_penalty: f32::INFINITY,
                ..plain()
            },
        ),
        (
            "logit_bias[1]",
            SamplingOptions {
                logit_bias: BTreeMap::from([(1, 101.0)]),
                ..plain()
            },
        ),
        (
            "token 2",
            SamplingOptions {
                logit_bias: BTreeMap::from([(2, 1.0)]),
                ..plain()
            },
        ),
    ];
    for (name, options) in cases {
        let error = Sampler::new(options, 2).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains(name), "{error}");
    }
}
