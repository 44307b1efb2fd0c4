//! Tells whether the graphics card computes what the processor does, and faster: a model of one
//! layer, in the file's formats and with made-up weights, runs on both. What the card compiles for
//! it, the file's model needs anyway.

mod race;
mod random_weights;

use crate::{
    Code, Error, Result,
    backend::{Backend, Dims, cpu::Cpu, gpu::Gpu},
    generate::sampler::{Sampler, SamplingOptions},
    loader::Loader,
    model::{Model, StepOutcome, config::ModelConfig},
    quant::DType,
    tensor::difference,
};
use race::Race;
use random_weights::{
    CONTEXT_TOKENS, Formats, PROMPT, VOCAB, dtype_of, formats_of_layers, one_layer, random_model,
};

/// How far the card's logits may be off. The processor rounds activations to 8 bits and the card
/// does not, so that a token's logits differ by one to two hundredths.
const MAX_DIFFERENCE: f64 = 0.05;
/// The tokens of the prompt that come one by one too: more than a lane of attention takes in one
/// turn.
const DECODED: usize = 5;

/// The tokens that come as those of a draft do: fewer than a prompt's.
const CHECKED: usize = 7;

/// Returns the logits after each of the tokens, `[tokens, vocab]`, which come together.
async fn logits_of<B: Backend>(model: &mut Model<B>, tokens: &[u32]) -> Result<Vec<f32>> {
    let mut logits = Vec::new();
    model.rewind(0);
    model.forward_all(tokens, &mut logits).await?;
    Ok(logits)
}

/// A layer of the file, made small: its formats, and the logits that the processor has after each
/// token of the prompt, `[tokens, vocab]`.
struct Case {
    config: ModelConfig,
    formats: Formats,
    expected: Vec<f32>,
}

impl Case {
    async fn new(config: ModelConfig, formats: Formats) -> Result<Self> {
        let mut cpu = random_model(Cpu::default(), &config, &formats, CONTEXT_TOKENS)?;
        let expected = logits_of(&mut cpu, &PROMPT).await?;
        Ok(Self {
            config,
            formats,
            expected,
        })
    }

    fn on<'a>(&'a self, gpu: &Gpu) -> Result<Pair<'a>> {
        Ok(Pair {
            card: random_model(gpu.beside(), &self.config, &self.formats, CONTEXT_TOKENS)?,
            expected: &self.expected,
        })
    }
}

/// The card's model, and the logits that are expected of it.
struct Pair<'a> {
    card: Model<Gpu>,
    expected: &'a [f32],
}

impl Pair<'_> {
    /// Checks tokens that come one by one.
    ///
    /// # Errors
    /// `gpu_refused`, and those of the device.
    async fn check_decode(&mut self) -> Result<()> {
        let mut logits = Vec::new();
        self.card.rewind(0);
        for &token in &PROMPT[..DECODED] {
            self.card
                .forward(&[token], Some(&mut logits))
                .await
                .map_err(not_finite_is_wrong)?;
        }
        compare(&logits, self.decoded())
    }

    /// Checks that the token that the card samples is the likeliest one.
    ///
    /// # Errors
    /// `gpu_refused`, and those of the device.
    async fn check_sampling(&mut self) -> Result<()> {
        let mut sampler = Sampler::new(SamplingOptions::greedy(), VOCAB)?;
        self.card.rewind(DECODED - 1);
        let last = &PROMPT[DECODED - 1..DECODED];
        let outcome = self
            .card
            .step(last, Some(&mut sampler), &mut || false)
            .await;
        let outcome = outcome.map_err(not_finite_is_wrong)?;
        match outcome {
            StepOutcome::Done(Some(token)) => check_likeliest(token, self.decoded()),
            _ => Err(wrong("it samples no token")),
        }
    }

    /// Checks the tokens that the card finds likeliest after each token of a draft.
    ///
    /// # Errors
    /// `gpu_refused`, and those of the device.
    async fn check_draft(&mut self) -> Result<()> {
        self.card.rewind(0);
        let found = self.card.step_argmax(&PROMPT[..CHECKED]).await;
        let found = found.map_err(not_finite_is_wrong)?;
        let mut pairs = found.into_iter().zip(self.expected.chunks(VOCAB));
        pairs.try_for_each(|(token, expected)| check_likeliest(token, expected))
    }

    /// Returns what is expected after the last of the tokens that come one by one.
    fn decoded(&self) -> &[f32] {
        &self.expected[(DECODED - 1) * VOCAB..DECODED * VOCAB]
    }

    /// Checks tokens that come together: many, or few.
    ///
    /// # Errors
    /// `gpu_refused`, and those of the device.
    async fn check_prefill(&mut self, tokens: &[u32]) -> Result<()> {
        let found = logits_of(&mut self.card, tokens)
            .await
            .map_err(not_finite_is_wrong)?;
        // Each token is compared by itself: of all together, what is wrong with one would be little.
        let mut pairs = found.chunks(VOCAB).zip(self.expected.chunks(VOCAB));
        pairs.try_for_each(|(found, expected)| compare(found, expected))
    }
}

/// Checks that the token is one of the likeliest.
///
/// # Errors
/// `gpu_refused`
fn check_likeliest(token: u32, expected: &[f32]) -> Result<()> {
    let largest = expected.iter().fold(f32::MIN, |largest, &x| largest.max(x));
    let bound = MAX_DIFFERENCE * f64::from(largest.abs());
    match expected.get(token as usize) {
        Some(&logit) if f64::from(largest - logit) <= bound => Ok(()),
        _ => Err(wrong("it does not find the largest of some")),
    }
}

/// Checks a token's logits.
///
/// # Errors
/// `gpu_refused`
fn compare(found: &[f32], expected: &[f32]) -> Result<()> {
    let off = difference(found, expected);
    match off <= MAX_DIFFERENCE {
        true => Ok(()),
        false => Err(wrong(&format!("they are off by {:.0}%", 100.0 * off))),
    }
}

/// Tries the card on the model whose header `loader` has read. Where a kernel is wrong or does not
/// compile, fewer features are tried ([`ShaderFeatures::tiers`]), and the card goes on with those
/// that work. With `threads` above 0 it must also be faster than that many of the processor's.
///
/// # Errors
/// `gpu_refused`, `gpu_slower`, and those of the device.
///
/// [`ShaderFeatures::tiers`]: crate::backend::gpu::device::ShaderFeatures::tiers
pub(super) async fn probe(loader: &Loader<Gpu>, threads: usize) -> Result<()> {
    let Some((gpu, config, tensors)) = loader.header() else {
        return Err(Error::new(
            Code::NotLoaded,
            "The file's header is not there yet. Push more of it first.",
        ));
    };
    let mut small = ModelConfig {
        dims: small(&config.dims),
        ..config.clone()
    };
    let feed_forward = small.dims.feed_forward;
    let layers = small.layers.iter_mut();
    layers.for_each(|layer| layer.feed_forward = feed_forward);
    let mut cases = Vec::new();
    for (layer, formats) in formats_of_layers(config, tensors) {
        cases.push(Case::new(one_layer(&small, layer), formats).await?);
    }
    let Some(first) = cases.first() else {
        return Ok(());
    };
    let mut race = Race::new(gpu, one_layer(config, 0), &first.formats, threads);
    let device = gpu.device();
    let tiers = device.features.get().tiers();
    let mut outcome = Ok(());
    for (i, &features) in tiers.iter().enumerate() {
        if i > 0 {
            device.use_features(features).await?;
        }
        outcome = test(gpu, config, &cases, &mut race).await;
        match &outcome {
            Err(error) if error.code == Code::GpuRefused => {}
            _ => break,
        }
    }
    outcome
}

/// Tries the card with the features that it has now.
///
/// # Errors
/// `gpu_refused` where it is wrong, `gpu_slower`, and those of the device.
async fn test(gpu: &Gpu, config: &ModelConfig, cases: &[Case], race: &mut Race<'_>) -> Result<()> {
    let down = cases
        .first()
        .and_then(|case| dtype_of(&case.formats, "blk.0.ffn_down.weight"));
    let (embedding, feed_forward) = (config.dims.embedding, config.dims.feed_forward);
    gpu.tune(down.unwrap_or(DType::F32), embedding, feed_forward)
        .await?;
    let mut pairs = Vec::new();
    for case in cases {
        let mut pair = case.on(gpu)?;
        pair.check_decode().await?;
        pairs.push(pair);
    }
    if let Some(pair) = pairs.first_mut() {
        pair.check_sampling().await?;
    }
    // The race begins before the kernels for prompts, which take longest to compile: a slow card
    // needs none of them.
    race.decode().await?;
    for pair in &mut pairs {
        pair.check_prefill(&PROMPT).await?;
        pair.check_prefill(&PROMPT[..CHECKED]).await?;
    }
    if let Some(pair) = pairs.first_mut() {
        pair.check_draft().await?;
    }
    race.prefill().await
}

fn wrong(what: &str) -> Error {
    Error::new(
        Code::GpuRefused,
        format!(
            "The GPU computes wrong numbers ({what}). Update the browser or the graphics driver."
        ),
    )
}

/// Made-up weights are finite, so that the file is not to blame.
fn not_finite_is_wrong(error: Error) -> Error {
    match error.code {
        Code::NotFinite => wrong("some are not finite"),
        _ => error,
    }
}

/// Returns dims with the model's heads, so that its kernels serve, and with all else as small as
/// every format allows.
fn small(dims: &Dims) -> Dims {
    let group = dims.heads / dims.kv_heads;
    let fits = |kv_heads: &usize| (kv_heads * group * dims.head_dim).is_multiple_of(256);
    let kv_heads = (1..=256).find(fits).unwrap_or(256);
    Dims {
        embedding: 256,
        heads: kv_heads * group,
        kv_heads,
        head_dim: dims.head_dim,
        head_dims: dims.head_dims.clone(),
        feed_forward: 512,
        vocab: VOCAB,
        layers: dims.layers,
        conv_layers: dims.conv_layers,
        delta: dims.delta,
        layer_input: dims.layer_input,
    }
}
