//! Whether the graphics card computes what the processor does, and faster: a block with the model's own formats and weights made up runs on
//! both. What it compiles the model needs anyway.
#![cfg_attr(
    target_feature = "atomics",
    allow(
        unused_variables,
        reason = "there is no GPU in this build to compare with"
    )
)]

use crate::{
    Code, Error, Result,
    backend::{
        AttentionInput, Backend, Dims, FeedForward, Rope, Rows, cpu::Cpu, gpu::Gpu,
        sampling::TokenSampler,
    },
    format::gguf::TensorInfo,
    generate::{
        rng::Pcg32,
        sampler::{Sampler, SamplingOptions},
    },
    host,
    loader::Loader,
    model::config::ModelConfig,
    quant::DType,
    tensor::{Weight, difference},
};

/// Activations are rounded to 8 bits on the processor and not on the card, so a token's logits differ by one to two hundredths.
const MAX_DIFFERENCE: f64 = 0.05;
/// Tokens that come together.
const PROMPT: [u32; 9] = [3, 1, 4, 1, 5, 9, 2, 6, 5];
/// So many of them come one by one too: more than a lane of attention takes in one turn.
const DECODED: usize = 5;
const CONTEXT_TOKENS: usize = 64;
/// Blocks of a timed step, at first and at last: what lies between is free of what a step costs by itself.
const TIMED_BLOCKS: [usize; 2] = [2, 10];
/// Where a step's end is seen late, more of them, until they take this many times as long as that, or those that keep up with the processor would.
const RESOLVED: f64 = 3.0;
const MOST_BLOCKS: usize = 300;
/// A card that takes so many times as long for the first of them is slow enough, and if it is more than a step may cost by itself.
const PATIENCE: f64 = 20.0;
const LEAST_PATIENCE_MS: f64 = 20.0;
/// How the processor's speed grows with its threads.
const THREADS_POWER: f64 = 0.7;

/// The types of a block's matrices, and of the token table and the output before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Formats {
    table: DType,
    q: DType,
    k: DType,
    v: DType,
    o: DType,
    gate: DType,
    up: DType,
    down: DType,
    output: DType,
}

impl Formats {
    /// Of each block of the file, each once.
    fn of(plan: &[TensorInfo], blocks: usize) -> Vec<Self> {
        let find = |name: &str| {
            plan.iter()
                .find(|tensor| tensor.name == name)
                .map(|tensor| tensor.dtype)
        };
        let Some(table) = find("token_embd.weight") else {
            return Vec::new();
        };
        let output = find("output.weight").unwrap_or(table);
        let mut list = Vec::new();
        for block in 0..blocks {
            let of = |name: &str| find(&format!("blk.{block}.{name}.weight")).unwrap_or(table);
            let formats = Self {
                table,
                output,
                q: of("attn_q"),
                k: of("attn_k"),
                v: of("attn_v"),
                o: of("attn_output"),
                gate: of("ffn_gate"),
                up: of("ffn_up"),
                down: of("ffn_down"),
            };
            if !list.contains(&formats) {
                list.push(formats);
            }
        }
        list
    }
}

/// A decoder of one block.
struct Probe<B: Backend> {
    backend: B,
    step: B::Step,
    cache: B::Cache,
    norm: Weight<B::Buf>,
    table: Weight<B::Buf>,
    /// q, k, v
    input: [Weight<B::Buf>; 3],
    biases: Option<[Weight<B::Buf>; 3]>,
    o: Weight<B::Buf>,
    /// gate, up
    feed: [Weight<B::Buf>; 2],
    down: Weight<B::Buf>,
    output: Weight<B::Buf>,
    rope: Rope,
    config: ModelConfig,
}

impl<B: Backend> Probe<B> {
    /// The same for every backend.
    fn new(mut backend: B, config: &ModelConfig, formats: Formats) -> Result<Self> {
        let w = &config.dims;
        let (q, kv) = (w.heads * w.head_dim, w.kv_heads * w.head_dim);
        let mut rng = Pcg32::new(1, 0);
        let mut matrix = |dtype, rows, cols| weight(&mut backend, dtype, rows, cols, &mut rng);
        let norm = matrix(DType::F32, 1, w.embedding)?;
        let table = matrix(formats.table, w.vocab, w.embedding)?;
        let input = [
            matrix(formats.q, q, w.embedding)?,
            matrix(formats.k, kv, w.embedding)?,
            matrix(formats.v, kv, w.embedding)?,
        ];
        let biases = match config.qkv_bias {
            true => Some([
                matrix(DType::F32, 1, q)?,
                matrix(DType::F32, 1, kv)?,
                matrix(DType::F32, 1, kv)?,
            ]),
            false => None,
        };
        let o = matrix(formats.o, w.embedding, q)?;
        let feed = [
            matrix(formats.gate, w.feed_forward, w.embedding)?,
            matrix(formats.up, w.feed_forward, w.embedding)?,
        ];
        let down = matrix(formats.down, w.embedding, w.feed_forward)?;
        let output = matrix(formats.output, w.vocab, w.embedding)?;
        let cache = backend.cache(w, CONTEXT_TOKENS)?;
        let step = backend.step(w, PROMPT.len())?;
        let rope = Rope {
            pairs: config.rope_pairs,
            frequencies: config.rope_frequencies.clone(),
        };
        Ok(Self {
            backend,
            step,
            cache,
            norm,
            table,
            input,
            biases,
            o,
            feed,
            down,
            output,
            rope,
            config: config.clone(),
        })
    }

    /// Takes tokens through so many blocks, all of them this one.
    fn record(&mut self, tokens: &[u32], position: usize, blocks: usize, rows: Rows) {
        let Self {
            backend,
            step,
            cache,
            norm,
            table,
            input: [q, k, v],
            biases,
            o,
            feed: [gate, up],
            down,
            output,
            rope,
            config,
        } = self;
        let eps = config.rms_eps;
        let [q_bias, k_bias, v_bias] = biases
            .as_ref()
            .map_or([None; 3], |biases| biases.each_ref().map(Some));
        backend.embed(step, table, tokens, position);
        for _ in 0..blocks {
            backend.attention_input(
                step,
                cache,
                0,
                &AttentionInput {
                    norm,
                    q,
                    k,
                    v,
                    q_bias,
                    k_bias,
                    v_bias,
                    rope,
                    eps,
                },
            );
            backend.attend(step, cache, 0);
            backend.project_add(step, o);
            backend.feed_forward(
                step,
                &FeedForward {
                    norm,
                    gate,
                    up,
                    activation: config.activation,
                    eps,
                },
            );
            backend.project_add(step, down);
        }
        backend.lm_head(step, norm, output, eps, rows);
    }

    /// The logits after each token of a prompt `[tokens, vocab]`, which come together.
    async fn prompt_logits(&mut self) -> Result<Vec<f32>> {
        let mut logits = Vec::new();
        self.record(&PROMPT, 0, 1, Rows::All);
        self.backend.read(&mut self.step, &mut logits).await?;
        Ok(logits)
    }

    /// The logits after the last of the tokens that come one by one.
    async fn decoded_logits(&mut self) -> Result<Vec<f32>> {
        let mut logits = Vec::new();
        for (position, &token) in PROMPT[..DECODED].iter().enumerate() {
            self.record(&[token], position, 1, Rows::Last);
            self.backend.read(&mut self.step, &mut logits).await?;
        }
        Ok(logits)
    }

    /// The token that follows, as the device chooses it.
    async fn chosen(&mut self) -> Result<u32> {
        let sampler = Sampler::new(SamplingOptions::greedy(), self.config.dims.vocab)?;
        self.backend.begin_sampling(&mut self.step, &sampler);
        self.record(&PROMPT[DECODED - 1..DECODED], DECODED - 1, 1, Rows::Last);
        self.backend.choose(&mut self.step, sampler.draw(0));
        Ok(self.backend.read_sampled(&mut self.step).await?.token)
    }

    /// How long one token takes through one block. `resolution_ms`: how coarse the device's end is seen; `expected_ms`: what a block should take.
    async fn block_ms(&mut self, resolution_ms: f64, expected_ms: f64) -> Result<f64> {
        let [few, many] = TIMED_BLOCKS;
        // Makes what is made at first use.
        self.token_ms(few, 1).await?;
        let first_ms = self.token_ms(few, 1).await?;
        if first_ms > (PATIENCE * expected_ms * few as f64).max(LEAST_PATIENCE_MS) + resolution_ms {
            return Ok(first_ms / few as f64);
        }
        let first_ms = first_ms.min(self.token_ms(few, 1).await?);
        let resolved_ms = RESOLVED * resolution_ms;
        let most = ((resolved_ms / expected_ms) as usize).clamp(many, MOST_BLOCKS);
        let mut blocks = many;
        loop {
            let more_ms = self.token_ms(blocks, 2).await? - first_ms;
            if blocks == most || more_ms >= resolved_ms {
                return Ok(more_ms.max(0.0) / (blocks - few) as f64);
            }
            blocks = most.min(4 * blocks);
        }
    }

    /// The best of so many times.
    async fn token_ms(&mut self, blocks: usize, times: usize) -> Result<f64> {
        let (mut best_ms, mut logits) = (f64::INFINITY, Vec::new());
        for _ in 0..times {
            let start_ms = host::now_ms();
            self.record(&[7], 0, blocks, Rows::Last);
            self.backend.read(&mut self.step, &mut logits).await?;
            best_ms = best_ms.min(host::now_ms() - start_ms);
        }
        Ok(best_ms)
    }
}

/// A probe of the card, and the logits that the processor has after each token of the prompt `[tokens, vocab]`.
struct Pair {
    card: Probe<Gpu>,
    expected: Vec<f32>,
}

impl Pair {
    async fn new(gpu: &Gpu, config: &ModelConfig, formats: Formats) -> Result<Self> {
        let expected = Probe::new(Cpu::default(), config, formats)?
            .prompt_logits()
            .await?;
        Ok(Self {
            card: Probe::new(gpu.beside(), config, formats)?,
            expected,
        })
    }

    /// Errors: `gpu_refused`, where tokens that come one by one are wrong.
    async fn check_decode(&mut self) -> Result<()> {
        let found = self.card.decoded_logits().await?;
        compare(&found, self.decoded())
    }

    /// Errors: `gpu_refused`, where the token that is chosen is not the likeliest.
    async fn check_choice(&mut self) -> Result<()> {
        let chosen = self.card.chosen().await? as usize;
        let expected = self.decoded();
        let largest = expected.iter().fold(f32::MIN, |m, &x| m.max(x));
        match expected.get(chosen) {
            Some(&logit)
                if f64::from(largest - logit) <= MAX_DIFFERENCE * f64::from(largest.abs()) =>
            {
                Ok(())
            }
            _ => Err(wrong("it does not find the largest of some")),
        }
    }

    /// What is expected after the last of the tokens that come one by one.
    fn decoded(&self) -> &[f32] {
        let vocab = self.card.config.dims.vocab;
        &self.expected[(DECODED - 1) * vocab..DECODED * vocab]
    }

    /// Errors: `gpu_refused`, where tokens that come together are wrong.
    async fn check_prefill(&mut self) -> Result<()> {
        let found = self.card.prompt_logits().await?;
        // Token by token: of all together, what is wrong with one would be little.
        let vocab = self.card.config.dims.vocab;
        found
            .chunks(vocab)
            .zip(self.expected.chunks(vocab))
            .try_for_each(|(found, expected)| compare(found, expected))
    }
}

/// Errors: `gpu_refused`.
fn compare(found: &[f32], expected: &[f32]) -> Result<()> {
    let off = difference(found, expected);
    if off <= MAX_DIFFERENCE {
        Ok(())
    } else {
        Err(wrong(&format!("they are off by {:.0}%", 100.0 * off)))
    }
}

/// Tries the card on the model whose header `loader` has read. With `threads` above 0 it must also be faster than so many of the processor's.
/// Errors: `gpu_refused`, and those of the device.
pub async fn probe(loader: &Loader<Gpu>, threads: usize) -> Result<()> {
    let Some((gpu, config, plan)) = loader.header() else {
        return Err(Error::new(
            Code::NotLoaded,
            "The file's header is not there yet. Push more of it first.",
        ));
    };
    let list = Formats::of(plan, config.dims.layers);
    let Some(&first) = list.first() else {
        return Ok(());
    };
    gpu.tune(first.down, config.dims.embedding, config.dims.feed_forward)
        .await?;
    let small = ModelConfig {
        dims: small(&config.dims),
        ..config.clone()
    };
    let mut pairs = Vec::new();
    for &formats in &list {
        let mut pair = Pair::new(gpu, &small, formats).await?;
        pair.check_decode().await?;
        pairs.push(pair);
    }
    if let Some(pair) = pairs.first_mut() {
        pair.check_choice().await?;
    }
    // Before the kernels for prompts, which take longest to compile: a slow card needs none.
    if threads > 0 {
        race(gpu, config, first, small.dims.vocab, threads).await?;
    }
    for pair in &mut pairs {
        pair.check_prefill().await?;
    }
    Ok(())
}

/// Errors: `gpu_refused`, where so many threads of the processor take a token through a block sooner than the card does.
async fn race(
    gpu: &Gpu,
    config: &ModelConfig,
    formats: Formats,
    vocab: usize,
    threads: usize,
) -> Result<()> {
    // The vocabulary counts little per block, and its matrices are large.
    let one = ModelConfig {
        dims: Dims {
            vocab,
            ..config.dims.clone()
        },
        ..config.clone()
    };
    let cpu_ms = Probe::new(Cpu::default(), &one, formats)?
        .block_ms(0.0, 1.0)
        .await?
        / (threads as f64).powf(THREADS_POWER);
    let gpu_ms = Probe::new(gpu.beside(), &one, formats)?
        .block_ms(gpu.resolution_ms(), cpu_ms)
        .await?;
    if gpu_ms > cpu_ms {
        let message = format!(
            "The processor computes faster than the GPU here: {cpu_ms:.2} ms a block in place of {gpu_ms:.2} ms."
        );
        return Err(Error::new(Code::GpuRefused, message));
    }
    Ok(())
}

fn wrong(what: &str) -> Error {
    Error::new(
        Code::GpuRefused,
        format!(
            "The GPU computes wrong numbers ({what}). Update the browser or the graphics driver."
        ),
    )
}

/// The model's heads, so that its shaders serve; the rest as small as every format allows.
fn small(w: &Dims) -> Dims {
    let group = w.heads / w.kv_heads;
    let kv_heads = (1..=256)
        .find(|n| (n * group * w.head_dim).is_multiple_of(256))
        .unwrap_or(256);
    Dims {
        embedding: 256,
        heads: kv_heads * group,
        kv_heads,
        head_dim: w.head_dim,
        feed_forward: 512,
        vocab: 256,
        layers: 1,
    }
}

/// A weight made up, of about the variance that keeps activations in range.
fn weight<B: Backend>(
    backend: &mut B,
    dtype: DType,
    rows: usize,
    cols: usize,
    rng: &mut Pcg32,
) -> Result<Weight<B::Buf>> {
    let mut weight = backend.alloc(dtype, rows, cols)?;
    let width = if rows == 1 {
        1.0
    } else {
        (3.0 / cols as f32).sqrt()
    };
    let mut uniform = || width * (2.0 * rng.next_f32() - 1.0);
    let bytes: Vec<u8> = match dtype {
        DType::F32 => (0..rows * cols)
            .flat_map(|_| uniform().to_le_bytes())
            .collect(),
        DType::F16 => (0..rows * cols)
            .flat_map(|_| half::f16::from_f32(uniform()).to_le_bytes())
            .collect(),
        DType::BF16 => (0..rows * cols)
            .flat_map(|_| half::bf16::from_f32(uniform()).to_le_bytes())
            .collect(),
        _ => {
            let mut bytes: Vec<u8> = (0..(rows * cols / dtype.block_len() * dtype.block_bytes())
                .div_ceil(4))
                .flat_map(|_| rng.next_u32().to_le_bytes())
                .collect();
            bytes.truncate(rows * cols / dtype.block_len() * dtype.block_bytes());
            let deviation = width / 3f32.sqrt();
            for block in bytes.chunks_exact_mut(dtype.block_bytes()) {
                for &(at, scale) in scales(dtype) {
                    block[at..at + 2]
                        .copy_from_slice(&half::f16::from_f32(scale * deviation).to_le_bytes());
                }
            }
            bytes
        }
    };
    backend.write(&mut weight, 0, &bytes);
    Ok(weight)
}

/// Where a block's f16 scales lie, and their values for weights of about unit variance and zero mean when all other bytes are random.
fn scales(dtype: DType) -> &'static [(usize, f32)] {
    match dtype {
        DType::Q4_0 => &[(0, 0.217)],
        DType::Q4_1 => &[(0, 0.217), (2, -1.63)],
        DType::Q5_0 => &[(0, 0.108)],
        DType::Q5_1 => &[(0, 0.108), (2, -1.68)],
        DType::Q8_0 => &[(0, 0.0135)],
        DType::Q2K => &[(80, 0.07), (82, 0.1)],
        DType::Q3K => &[(108, 0.02)],
        DType::Q4K => &[(0, 0.005), (2, 0.0375)],
        DType::Q5K => &[(0, 0.0025), (2, 0.0388)],
        DType::Q6K => &[(208, 0.001)],
        DType::F32 | DType::F16 | DType::BF16 => &[],
    }
}
