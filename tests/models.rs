//! Whole models against what Hugging Face transformers (the tiny ones) and llama.cpp (the real ones) compute.

mod common {
    pub mod model_path;
}

use common::model_path::model_path;
use half::bf16;
use serde_json::Value;
use siskin::{
    backend::cpu::Cpu,
    format::{
        gguf::{GgufReader, TensorInfo},
        write::GgufWriter,
    },
    loader::{Loaded, Loader, Options},
    model::{Model, STEP_TOKENS, weights::ROPE_FREQS},
    quant::DType,
};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// A tiny model, with the rope frequencies that its golden was computed with: make.py turns the whole Hugging Face model to bfloat16 and
/// back, and that rounds the frequencies too. `rope_freqs` is the tensor in which a GGUF file can say so.
fn load_tiny(name: &str) -> Loaded<Cpu> {
    let file = std::fs::read(fixture(&format!("models/{name}.gguf"))).unwrap();
    let gguf = GgufReader::new().push(&file).unwrap().unwrap();
    let data = |t: &TensorInfo| &file[t.offset as usize..(t.offset + t.size_bytes) as usize];
    let base = gguf.metadata.f32(&format!("{}.rope.freq_base", gguf.metadata.str("general.architecture").unwrap())).unwrap();
    let mut divisors = vec![1f32; 32];
    if let Some(tensor) = gguf.tensors.iter().find(|t| t.name == ROPE_FREQS) {
        tensor.dtype.dequantize(data(tensor), &mut divisors);
    }
    let divisors: Vec<u8> = (0..32)
        .zip(divisors)
        .flat_map(|(i, divisor)| {
            let frequency = f64::from(base).powf(f64::from(-i) / 32.0) as f32;
            (frequency / bf16::from_f32(frequency / divisor).to_f32()).to_le_bytes()
        })
        .collect();
    let mut writer = GgufWriter::new(gguf.metadata.clone()).unwrap();
    for tensor in gguf.tensors.iter().filter(|t| t.name != ROPE_FREQS) {
        writer.tensor(&tensor.name, tensor.dtype, &tensor.dims, data(tensor)).unwrap();
    }
    writer.tensor(ROPE_FREQS, DType::F32, &[32], &divisors).unwrap();
    let mut loader = Loader::new(Cpu::default(), Options { context_tokens: Some(512) });
    loader.push(&writer.to_bytes()).unwrap();
    loader.finish().unwrap()
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

fn golden(path: &str) -> Value {
    serde_json::from_reader(File::open(fixture(path)).unwrap()).unwrap()
}

fn load(path: &Path) -> Loaded<Cpu> {
    let mut loader = Loader::new(Cpu::default(), Options { context_tokens: Some(512) });
    let mut file = File::open(path).unwrap();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk).unwrap() {
            0 => return loader.finish().unwrap(),
            len => loader.push(&chunk[..len]).unwrap(),
        }
    }
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn argmax(logits: &[f32]) -> u32 {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as u32
}

/// The logits after each of the tokens, `[tokens, vocab]`.
fn teacher_forced(model: &mut Model<Cpu>, tokens: &[u32]) -> Vec<f32> {
    let (mut all, mut logits) = (Vec::new(), Vec::new());
    for chunk in tokens.chunks(STEP_TOKENS) {
        pollster::block_on(model.forward_all(chunk, &mut logits)).unwrap();
        all.extend_from_slice(&logits);
    }
    all
}

fn tiny(name: &str) {
    let golden = golden(&format!("models/{name}.json"));
    let mut model = load_tiny(name).model;
    let (prompt, vocab) = (ids(&golden["prompt"]), model.vocab_size());

    let logits = teacher_forced(&mut model, &prompt);
    let best: Vec<u32> = logits.chunks_exact(vocab).map(argmax).collect();
    assert_eq!(best, ids(&golden["argmax"]));

    let expected = floats(&golden["last_logits"]);
    let largest = expected.iter().fold(0f64, |m, x| m.max(x.abs()));
    let worst = logits[logits.len() - vocab..].iter().zip(&expected).fold(0f64, |m, (a, b)| m.max((*a as f64 - b).abs()));
    println!("{name}: the last logits are off by at most {:.2e} of the largest", worst / largest);
    assert!(worst < 1e-3 * largest, "{name}: off by {worst}");

    let mut next = argmax(&logits[logits.len() - vocab..]);
    let (mut greedy, mut logits) = (vec![next], Vec::new());
    while greedy.len() < 16 {
        pollster::block_on(model.forward(&[next], Some(&mut logits))).unwrap();
        next = argmax(&logits);
        greedy.push(next);
    }
    assert_eq!(greedy, ids(&golden["greedy"]));
}

#[test]
fn qwen2_tiny() {
    tiny("qwen2-tiny");
}

#[test]
fn llama3_tiny() {
    tiny("llama3-tiny");
}

#[test]
fn one_token_at_a_time_equals_the_batch() {
    let mut model = load(&fixture("models/llama3-tiny.gguf")).model;
    let tokens: Vec<u32> = (0..70).map(|i| i * 5 % 384).collect();
    let batch = teacher_forced(&mut model, &tokens);
    model.truncate(0);
    let (mut single, mut logits) = (Vec::new(), Vec::new());
    for token in &tokens {
        pollster::block_on(model.forward(&[*token], Some(&mut logits))).unwrap();
        single.extend_from_slice(&logits);
    }
    assert!(batch == single, "a token's logits depend on how many tokens came with it");

    model.truncate(30);
    pollster::block_on(model.forward(&tokens[30..], Some(&mut logits))).unwrap();
    assert!(logits == batch[batch.len() - logits.len()..], "a cached beginning changes the logits");
}

/// What a test holds a real model to: shares of positions on which the argmax agrees.
struct Bars {
    /// With llama.cpp, whose own rounding of activations moves some.
    llama_cpp: f64,
    /// With the same weights in exact arithmetic (tests/fixtures/real/make_exact.py).
    exact: f64,
}

fn real(name: &str, bars: Bars) {
    let Some(path) = model_path(&format!("{name}.gguf")) else { return };
    let golden = golden(&format!("real/{name}.json"));
    let tokens = ids(&golden["tokens"]);
    let mut model = load(&path).model;
    let vocab = model.vocab_size();
    let logits = teacher_forced(&mut model, &tokens);

    let best: Vec<u32> = logits.chunks_exact(vocab).map(argmax).collect();
    let agreement = |expected: &Value| {
        let same = best.iter().zip(ids(expected)).filter(|(a, b)| *a == b).count();
        same as f64 / tokens.len() as f64
    };
    let (llama_cpp, exact) = (agreement(&golden["argmax"]), agreement(&golden["exact"]["argmax"]));
    let total: f64 = logits.chunks_exact(vocab).zip(&tokens[1..]).map(|(row, &next)| log_probability(row, next)).sum();
    let perplexity = (-total / (tokens.len() - 1) as f64).exp();
    let expected = golden["perplexity"].as_f64().unwrap();
    println!(
        "{name}: argmax agrees with llama.cpp on {:.1}%, with exact arithmetic on {:.1}%; perplexity {perplexity:.4}, llama.cpp's {expected:.4}",
        100.0 * llama_cpp,
        100.0 * exact
    );
    assert!(llama_cpp >= bars.llama_cpp && exact >= bars.exact, "{name}: {llama_cpp}, {exact}");
    assert!((perplexity / expected - 1.0).abs() < 0.01, "{name}: perplexity {perplexity}, expected {expected}");
}

fn log_probability(logits: &[f32], token: u32) -> f64 {
    let max = f64::from(logits.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x)));
    let sum: f64 = logits.iter().map(|&x| (f64::from(x) - max).exp()).sum();
    f64::from(logits[token as usize]) - max - sum.ln()
}

#[test]
fn real_qwen() {
    real("qwen2.5-coder-0.5b-instruct-q4_k_m", Bars { llama_cpp: 0.97, exact: 0.97 });
}

/// Exact arithmetic itself agrees with llama.cpp on 95.9% of this model's positions, so 97% of them cannot be asked of anyone.
#[test]
fn real_smollm2() {
    real("SmolLM2-135M-Instruct.Q4_1", Bars { llama_cpp: 0.95, exact: 0.97 });
}
