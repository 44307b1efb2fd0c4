//! Tells whether the graphics card computes what the processor does, and faster: a model of one
//! layer, in the file's formats and with made-up weights, runs on both. What the card compiles for
//! it, the file's model needs anyway.

mod random_weights;

use crate::{
    Code, Error, Result,
    backend::{Backend, Dims, cpu::Cpu, gpu::Gpu},
    generate::sampler::{Sampler, SamplingOptions},
    host,
    loader::Loader,
    model::{Model, StepOutcome, config::ModelConfig},
    quant::DType,
    tensor::difference,
};
use random_weights::{Formats, dtype_of, formats_of_layers, one_layer, random_model};

/// How far the card's logits may be off. The processor rounds activations to 8 bits and the card
/// does not, so that a token's logits differ by one to two hundredths.
const MAX_DIFFERENCE: f64 = 0.05;
/// The tokens that come together.
const PROMPT: [u32; 9] = [3, 1, 4, 1, 5, 9, 2, 6, 5];
/// The tokens of the prompt that come one by one too: more than a lane of attention takes in one
/// turn.
const DECODED: usize = 5;
/// The positions of the KV cache.
const CONTEXT_TOKENS: usize = 64;
/// The vocabulary of every model here: it counts little per layer, and its matrices are large.
const VOCAB: usize = 256;
/// Layers of a timed step, at first and at last: their difference is free of what a step costs by
/// itself.
const TIMED_LAYERS: [usize; 2] = [2, 10];
/// Where a step's end is seen late, the layers take this many times as long as that, or as many of
/// them are timed as a card would take so long for that keeps up with the processor.
const RESOLVED: f64 = 3.0;
/// The most layers of a timed step.
const MAX_LAYERS: usize = 300;
/// A card is slow enough that takes so many times as long for the first layers as it may.
const PATIENCE: f64 = 20.0;
/// What a step may cost by itself, however few its layers.
const MIN_PATIENCE_MS: f64 = 20.0;
/// How the processor's speed grows with its threads: with their number to this power.
const THREADS_POWER: f64 = 0.7;

/// Returns the logits after each token of the prompt, `[tokens, vocab]`, which come together.
async fn prompt_logits<B: Backend>(model: &mut Model<B>) -> Result<Vec<f32>> {
    let mut logits = Vec::new();
    model.rewind(0);
    model.forward_all(&PROMPT, &mut logits).await?;
    Ok(logits)
}

/// The card's model, and the logits that the processor has after each token of the prompt,
/// `[tokens, vocab]`.
struct Pair {
    card: Model<Gpu>,
    expected: Vec<f32>,
}

impl Pair {
    async fn new(gpu: &Gpu, config: &ModelConfig, formats: &Formats) -> Result<Self> {
        let mut cpu = random_model(Cpu::default(), config, formats, CONTEXT_TOKENS)?;
        let expected = prompt_logits(&mut cpu).await?;
        let card = random_model(gpu.beside(), config, formats, CONTEXT_TOKENS)?;
        Ok(Self { card, expected })
    }

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
        let expected = self.decoded();
        let largest = expected.iter().fold(f32::MIN, |largest, &x| largest.max(x));
        let bound = MAX_DIFFERENCE * f64::from(largest.abs());
        let StepOutcome::Done(Some(token)) = outcome else {
            return Err(wrong("it samples no token"));
        };
        match expected.get(token as usize) {
            Some(&logit) if f64::from(largest - logit) <= bound => Ok(()),
            _ => Err(wrong("it does not find the largest of some")),
        }
    }

    /// Returns what is expected after the last of the tokens that come one by one.
    fn decoded(&self) -> &[f32] {
        &self.expected[(DECODED - 1) * VOCAB..DECODED * VOCAB]
    }

    /// Checks tokens that come together.
    ///
    /// # Errors
    /// `gpu_refused`, and those of the device.
    async fn check_prefill(&mut self) -> Result<()> {
        let found = prompt_logits(&mut self.card)
            .await
            .map_err(not_finite_is_wrong)?;
        // Each token is compared by itself: of all together, what is wrong with one would be little.
        let mut pairs = found.chunks(VOCAB).zip(self.expected.chunks(VOCAB));
        pairs.try_for_each(|(found, expected)| compare(found, expected))
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

/// Tries the card on the model whose header `loader` has read. With `threads` above 0 it must also
/// be faster than that many of the processor's.
///
/// # Errors
/// `gpu_refused`, and those of the device.
pub(super) async fn probe(loader: &Loader<Gpu>, threads: usize) -> Result<()> {
    let Some((gpu, config, tensors)) = loader.header() else {
        return Err(Error::new(
            Code::NotLoaded,
            "The file's header is not there yet. Push more of it first.",
        ));
    };
    let list = formats_of_layers(config, tensors);
    let Some(first) = list.first() else {
        return Ok(());
    };
    let down = dtype_of(first, "blk.0.ffn_down.weight").unwrap_or(DType::F32);
    gpu.tune(down, config.dims.embedding, config.dims.feed_forward)
        .await?;
    let small = ModelConfig {
        dims: small(&config.dims),
        ..config.clone()
    };
    let mut pairs = Vec::new();
    for formats in &list {
        let mut pair = Pair::new(gpu, &small, formats).await?;
        pair.check_decode().await?;
        pairs.push(pair);
    }
    if let Some(pair) = pairs.first_mut() {
        pair.check_sampling().await?;
    }
    // The race comes before the kernels for prompts, which take longest to compile: a slow card
    // needs none of them.
    if threads > 0 {
        race(gpu, config, first, threads).await?;
    }
    for pair in &mut pairs {
        pair.check_prefill().await?;
    }
    Ok(())
}

/// Compares the card with that many of the processor's threads, by what a token takes through a
/// layer of the model's own size.
///
/// # Errors
/// `gpu_refused` where the processor is faster, and those of the device.
async fn race(gpu: &Gpu, config: &ModelConfig, formats: &Formats, threads: usize) -> Result<()> {
    let mut config = one_layer(config);
    config.dims.vocab = VOCAB;
    let mut cpu = random_model(Cpu::default(), &config, formats, CONTEXT_TOKENS)?;
    let one_thread_ms = layer_ms(&mut cpu, 0.0, 1.0).await?;
    let cpu_ms = one_thread_ms / (threads as f64).powf(THREADS_POWER);
    let mut card = random_model(gpu.beside(), &config, formats, CONTEXT_TOKENS)?;
    let gpu_ms = layer_ms(&mut card, gpu.resolution_ms(), cpu_ms).await?;
    if gpu_ms > cpu_ms {
        let message = format!(
            "The processor computes faster than the GPU here: {cpu_ms:.2} ms a layer in place of \
             {gpu_ms:.2} ms."
        );
        return Err(Error::new(Code::GpuRefused, message));
    }
    Ok(())
}

/// Returns how long one token takes through one layer. `resolution_ms` is how late the end of a
/// step is seen, and `expected_ms` what a layer should take.
async fn layer_ms<B: Backend>(
    model: &mut Model<B>,
    resolution_ms: f64,
    expected_ms: f64,
) -> Result<f64> {
    let [few, many] = TIMED_LAYERS;
    // The first step makes what is made at first use.
    token_ms(model, few, 1).await?;
    let first_ms = token_ms(model, few, 1).await?;
    let patience_ms = (PATIENCE * expected_ms * few as f64).max(MIN_PATIENCE_MS);
    if first_ms > patience_ms + resolution_ms {
        return Ok(first_ms / few as f64);
    }
    let first_ms = first_ms.min(token_ms(model, few, 1).await?);
    let resolved_ms = RESOLVED * resolution_ms;
    let most = ((resolved_ms / expected_ms) as usize).clamp(many, MAX_LAYERS);
    let mut layers = many;
    loop {
        let more_ms = token_ms(model, layers, 2).await? - first_ms;
        if layers == most || more_ms >= resolved_ms {
            return Ok(more_ms.max(0.0) / (layers - few) as f64);
        }
        layers = most.min(4 * layers);
    }
}

/// Returns the shortest time of that many tries to take a token through so many layers, all of them
/// the model's one.
async fn token_ms<B: Backend>(model: &mut Model<B>, layers: usize, tries: usize) -> Result<f64> {
    let (mut best_ms, mut logits) = (f64::INFINITY, Vec::new());
    for _ in 0..tries {
        let start_ms = host::now_ms();
        model
            .forward_layers(PROMPT[0], std::iter::repeat_n(0, layers), &mut logits)
            .await?;
        best_ms = best_ms.min(host::now_ms() - start_ms);
    }
    Ok(best_ms)
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
        feed_forward: 512,
        vocab: VOCAB,
        layers: 1,
    }
}
