//! Choosing a token on the device against the sampler of the host: the same logits, options and seed give the same token.

use super::{
    device::gpu,
    harness::DIMS,
    support::{data::THOROUGH, random::Random},
};
use siskin::{
    Code, Result,
    backend::{
        Backend, Dims,
        gpu::{Activations, Gpu, device::GpuOptions, weights::Buf},
        sampling::{Logprobs, SampledToken, TokenSampler},
    },
    generate::sampler::{Sampler, SamplingOptions},
    quant::DType,
    tensor::Weight,
};

const VOCABS: &[usize] = &[1, 63, 64, 5_000, 151_936];
/// How far off a draw may be: sums of f32, and what is too unlikely to be drawn.
const BLUR: f64 = 2e-5;

/// Counts combinations of options, each with every vocabulary, and tells which are asked for:
/// natively all, in browsers every fifth. There a step of the largest vocabulary takes a processor
/// that plays a card long, and each combination comes with one of the five vocabularies, because
/// five divides no check's number of combinations.
#[derive(Default)]
struct Combinations(usize);

impl Combinations {
    fn is_asked(&mut self) -> bool {
        self.0 += 1;
        THOROUGH || self.0.is_multiple_of(VOCABS.len())
    }
}

struct DeviceSampler {
    gpu: Gpu,
    step: Activations,
    table: Weight<Buf>,
}

impl DeviceSampler {
    fn new(device: &Gpu, vocab: usize) -> Self {
        let mut gpu = device.beside();
        let step = gpu.step(&Dims { vocab, ..DIMS }, 1).expect("memory");
        let table = gpu.alloc(DType::F32, 2, 32).expect("memory");
        Self { gpu, step, table }
    }

    /// Returns the token that the device samples by these logits.
    async fn sample(&mut self, logits: &[f32], draw: f32) -> Result<SampledToken> {
        self.gpu.embed(&mut self.step, &self.table, 1.0, &[0], 0);
        self.gpu
            .device()
            .queue
            .write_buffer(&self.step.logits, 0, bytemuck::cast_slice(logits));
        self.gpu.sample(&mut self.step, draw);
        self.gpu.read_sampled(&mut self.step).await
    }

    /// Chooses one token after another by the same logits, and compares each with the host's.
    async fn check(&mut self, sampler: &mut Sampler, logits: &[f32], tokens: usize, what: &str) {
        self.gpu.begin_sampling(&mut self.step, sampler);
        for i in 0..tokens {
            let draw = sampler.draw(0);
            let sampled = self
                .sample(logits, draw)
                .await
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let (token, expected) = (sampled.token, within_reach(sampler, logits, draw));
            assert!(
                expected.contains(&token),
                "{what}, token {i}, draw {draw}: {token} is none of {expected:?}"
            );
            let logprobs = sampler
                .top_logprobs()
                .map(|top| Logprobs::of(token, top as usize, logits));
            assert_eq!(sampled.logprobs.is_some(), logprobs.is_some());
            if let (Some(got), Some(expected)) = (&sampled.logprobs, &logprobs) {
                let tokens = |logprobs: &Logprobs| {
                    logprobs
                        .top
                        .iter()
                        .map(|&(token, _)| token)
                        .collect::<Vec<_>>()
                };
                assert_eq!(tokens(got), tokens(expected), "{what}");
                let pairs = got
                    .top
                    .iter()
                    .zip(&expected.top)
                    .map(|(a, b)| (a.1, b.1))
                    .chain([(got.sampled, expected.sampled)]);
                for (got, expected) in pairs {
                    assert!(
                        (got - expected).abs() <= 2e-5 * expected.abs().max(1.0),
                        "{what}: {got} in place of {expected}"
                    );
                }
            }
            sampler.accept(sampled);
        }
    }
}

/// The tokens that `draw`, or one that differs from it by a rounding, falls on.
fn within_reach(sampler: &mut Sampler, logits: &[f32], draw: f32) -> Vec<u32> {
    let mut candidates = sampler
        .distribution(&mut logits.to_vec())
        .expect("numbers")
        .to_vec();
    candidates.sort_by_key(|candidate| candidate.token);
    let (mut before, mut reached) = (0.0, Vec::new());
    for candidate in candidates
        .iter()
        .filter(|candidate| candidate.probability > 0.0)
    {
        let after = before + f64::from(candidate.probability);
        if f64::from(draw) < after + BLUR && f64::from(draw) >= before - BLUR {
            reached.push(candidate.token);
        }
        before = after;
    }
    reached
}

/// As a model's: most far below the best.
fn logits(vocab: usize, random: &mut Random) -> Vec<f32> {
    (0..vocab)
        .map(|_| (0..4).map(|_| random.within(-4.0, 4.0)).sum())
        .collect()
}

fn sampler(options: SamplingOptions, vocab: usize) -> Sampler {
    Sampler::new(options, vocab).expect("valid options")
}

pub async fn filters(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    let (mut random, mut combinations) = (Random::new(11), Combinations::default());
    for &vocab in VOCABS {
        let mut on_device = DeviceSampler::new(&device, vocab);
        for temperature in [0.0, 0.3, 1.0, 2.0] {
            for top_k in [0, 1, 5, 40] {
                for (top_p, min_p) in [
                    (1.0, 0.0),
                    (0.9, 0.0),
                    (0.3, 0.0),
                    (1.0, 0.05),
                    (0.95, 0.05),
                    (0.0, 1.0),
                ] {
                    if !combinations.is_asked() {
                        continue;
                    }
                    let seed = Some(random.bits());
                    let options = SamplingOptions {
                        temperature,
                        top_k,
                        top_p,
                        min_p,
                        seed,
                        ..SamplingOptions::default()
                    };
                    let what = format!("{options:?}, {vocab} tokens");
                    let logits = logits(vocab, &mut random);
                    on_device
                        .check(&mut sampler(options, vocab), &logits, 2, &what)
                        .await;
                }
            }
        }
    }
}

pub async fn penalties_and_biases(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    let (mut random, mut combinations) = (Random::new(12), Combinations::default());
    for &vocab in VOCABS {
        let mut on_device = DeviceSampler::new(&device, vocab);
        for temperature in [0.0, 0.8] {
            for (repetition_penalty, frequency_penalty, presence_penalty) in [
                (1.3, 0.0, 0.0),
                (1.0, 0.7, 0.0),
                (1.0, 0.0, 1.5),
                (0.8, -0.5, 0.4),
            ] {
                for biased in [false, true] {
                    if !combinations.is_asked() {
                        continue;
                    }
                    let logits = logits(vocab, &mut random);
                    let mut options = SamplingOptions {
                        repetition_penalty,
                        frequency_penalty,
                        presence_penalty,
                        temperature,
                        seed: Some(random.bits()),
                        ..SamplingOptions::default()
                    };
                    for i in 0..if biased { 20 } else { 0 } {
                        options
                            .logit_bias
                            .insert(random.below(vocab) as u32, [-100.0, 3.0, 8.0, 12.0][i % 4]);
                    }
                    let what = format!("{options:?}, {vocab} tokens");
                    let mut sampler = sampler(options, vocab);
                    sampler.observe_prompt(
                        &(0..30)
                            .map(|_| random.below(vocab) as u32)
                            .collect::<Vec<_>>(),
                    );
                    on_device.check(&mut sampler, &logits, 12, &what).await;
                }
            }
        }
    }
}

pub async fn only_allowed_tokens(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    let (mut random, mut combinations) = (Random::new(15), Combinations::default());
    for &vocab in VOCABS {
        let mut on_device = DeviceSampler::new(&device, vocab);
        for temperature in [0.0, 0.8] {
            for count in [1, 2, 40] {
                for (top_k, top_p, frequency_penalty) in
                    [(0, 1.0, 0.0), (3, 1.0, 0.5), (0, 0.5, 0.0)]
                {
                    if !combinations.is_asked() {
                        continue;
                    }
                    let allowed: Vec<u32> =
                        (0..count).map(|_| random.below(vocab) as u32).collect();
                    let allowed_tokens = Some(allowed.clone());
                    let seed = Some(random.bits());
                    let options = SamplingOptions {
                        temperature,
                        top_k,
                        top_p,
                        frequency_penalty,
                        allowed_tokens,
                        seed,
                        ..SamplingOptions::default()
                    };
                    let what = format!("{options:?}, {vocab} tokens");
                    let mut sampler = sampler(options, vocab);
                    on_device
                        .check(&mut sampler, &logits(vocab, &mut random), 3, &what)
                        .await;
                    assert!(
                        sampler.counts().all(|(token, _)| allowed.contains(&token)),
                        "{what}"
                    );
                }
            }
        }
    }
}

pub async fn logprobs_of_the_sampled_and_the_likeliest(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    let (mut random, mut combinations) = (Random::new(16), Combinations::default());
    for &vocab in VOCABS {
        let mut on_device = DeviceSampler::new(&device, vocab);
        for temperature in [0.0, 1.0] {
            for top in [0, 1, 5, 20] {
                if !combinations.is_asked() {
                    continue;
                }
                // What changes the logits before the choice changes no likelihood.
                let options = SamplingOptions {
                    temperature,
                    top_logprobs: Some(top),
                    frequency_penalty: 1.0,
                    seed: Some(random.bits()),
                    ..SamplingOptions::default()
                };
                let what = format!("{options:?}, {vocab} tokens");
                on_device
                    .check(
                        &mut sampler(options, vocab),
                        &logits(vocab, &mut random),
                        4,
                        &what,
                    )
                    .await;
            }
        }
        // Equals are told in the order of their ids, and what cannot be said is told last.
        let options = SamplingOptions {
            top_logprobs: Some(5),
            ..SamplingOptions::greedy()
        };
        let mut equal = vec![1.5; vocab];
        equal[vocab / 2] = f32::NEG_INFINITY;
        if vocab > 1 {
            on_device
                .check(
                    &mut sampler(options, vocab),
                    &equal,
                    1,
                    &format!("equals, {vocab} tokens"),
                )
                .await;
        }
    }
}

pub async fn the_first_of_equals_is_the_likeliest(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    for &vocab in VOCABS {
        let mut on_device = DeviceSampler::new(&device, vocab);
        on_device.gpu.begin_sampling(
            &mut on_device.step,
            &sampler(SamplingOptions::greedy(), vocab),
        );
        for value in [0.0, -0.0, 5.0, -1e30, f32::MAX, f32::MIN] {
            assert_eq!(
                on_device
                    .sample(&vec![value; vocab], 0.5)
                    .await
                    .unwrap()
                    .token,
                0,
                "{value}, {vocab} tokens"
            );
            let mut logits = vec![f32::NEG_INFINITY; vocab];
            logits[vocab * 2 / 3..].fill(value);
            assert_eq!(
                on_device.sample(&logits, 0.5).await.unwrap().token as usize,
                vocab * 2 / 3,
                "{value}, {vocab} tokens"
            );
        }
    }
}

pub async fn what_is_no_number_is_noticed(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    let mut random = Random::new(13);
    for &vocab in VOCABS {
        let mut on_device = DeviceSampler::new(&device, vocab);
        for temperature in [0.0, 0.8] {
            let options = SamplingOptions {
                temperature,
                seed: Some(1),
                ..SamplingOptions::default()
            };
            on_device
                .gpu
                .begin_sampling(&mut on_device.step, &sampler(options, vocab));
            for bad in [f32::NAN, -f32::NAN, f32::INFINITY] {
                for at in [0, vocab / 2, vocab - 1] {
                    let mut logits = logits(vocab, &mut random);
                    logits[at] = bad;
                    let error = on_device
                        .sample(&logits, 0.5)
                        .await
                        .expect_err("not a number");
                    assert_eq!(error.code, Code::NotFinite, "{bad} at {at} of {vocab}");
                }
            }
            let error = on_device
                .sample(&vec![f32::NEG_INFINITY; vocab], 0.5)
                .await
                .expect_err("nothing to choose from");
            assert_eq!(error.code, Code::NotFinite);
        }
    }
}

pub async fn tokens_come_as_often_as_they_are_likely(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    const DRAWS: usize = if THOROUGH { 500 } else { 100 };
    let mut random = Random::new(14);
    for &vocab in &VOCABS[1..4] {
        let mut on_device = DeviceSampler::new(&device, vocab);
        let options = SamplingOptions {
            temperature: 1.0,
            seed: Some(1),
            ..SamplingOptions::default()
        };
        let (mut sampler, logits) = (sampler(options, vocab), logits(vocab, &mut random));
        on_device.gpu.begin_sampling(&mut on_device.step, &sampler);
        let mut counts = vec![0; vocab];
        for i in 0..DRAWS {
            counts[on_device
                .sample(&logits, (i as f32 + 0.5) / DRAWS as f32)
                .await
                .unwrap()
                .token as usize] += 1;
        }
        let mut expected = vec![0.0; vocab];
        for candidate in sampler.distribution(&mut logits.clone()).unwrap() {
            expected[candidate.token as usize] = candidate.probability * DRAWS as f32;
        }
        for (token, (count, expected)) in counts.into_iter().zip(expected).enumerate() {
            assert!(
                (count as f32 - expected).abs() <= 1.01,
                "token {token} of {vocab} came {count} times instead of {expected}"
            );
        }
    }
}
