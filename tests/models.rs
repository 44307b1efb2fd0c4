//! Compares real models with what llama.cpp and exact arithmetic compute.

mod support;

use serde_json::Value;
use siskin::{
    backend::cpu::Cpu,
    loader::{Loaded, Loader, Options},
    model::Model,
};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};
use support::{
    golden::{argmax, ids, teacher_forced},
    model_path::model_path,
};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

fn golden(path: &str) -> Value {
    serde_json::from_reader(File::open(fixture(path)).unwrap()).unwrap()
}

fn load(path: &Path) -> Loaded<Model<Cpu>> {
    let mut loader = Loader::new(
        Cpu::default(),
        Options {
            context_tokens: Some(512),
            ..Options::default()
        },
    );
    let mut file = File::open(path).unwrap();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk).unwrap() {
            0 => return loader.finish().unwrap(),
            len => loader.push(&chunk[..len]).unwrap(),
        }
    }
}

/// Holds the smallest shares of positions at which the argmax of a model must agree.
struct MinAgreement {
    /// Is the share for llama.cpp, whose own rounding of activations changes some positions.
    llama_cpp: f64,
    /// Is the share for the same weights in exact arithmetic (tests/fixtures/real/make_exact.py).
    exact: f64,
}

fn real(name: &str, min: MinAgreement) {
    let Some(path) = model_path(&format!("{name}.gguf")) else {
        return;
    };
    let golden = golden(&format!("real/{name}.json"));
    let tokens = ids(&golden["tokens"]);
    let mut model = load(&path).model;
    let vocab = model.vocab_size();
    let logits = pollster::block_on(teacher_forced(&mut model, &tokens));

    let best: Vec<u32> = logits.chunks_exact(vocab).map(argmax).collect();
    let agreement = |expected: &Value| {
        let same = best
            .iter()
            .zip(ids(expected))
            .filter(|(a, b)| *a == b)
            .count();
        same as f64 / tokens.len() as f64
    };
    let (llama_cpp, exact) = (
        agreement(&golden["argmax"]),
        agreement(&golden["exact"]["argmax"]),
    );
    let total: f64 = logits
        .chunks_exact(vocab)
        .zip(&tokens[1..])
        .map(|(row, &next)| log_probability(row, next))
        .sum();
    let perplexity = (-total / (tokens.len() - 1) as f64).exp();
    let expected = golden["perplexity"].as_f64().unwrap();
    println!(
        "{name}: argmax agrees with llama.cpp on {:.1}%, with exact arithmetic on {:.1}%; \
         perplexity {perplexity:.4}, llama.cpp's {expected:.4}",
        100.0 * llama_cpp,
        100.0 * exact
    );
    assert!(
        llama_cpp >= min.llama_cpp && exact >= min.exact,
        "{name}: {llama_cpp}, {exact}"
    );
    assert!(
        (perplexity / expected - 1.0).abs() < 0.01,
        "{name}: perplexity {perplexity}, expected {expected}"
    );
}

fn log_probability(logits: &[f32], token: u32) -> f64 {
    let max = f64::from(logits.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x)));
    let sum: f64 = logits.iter().map(|&x| (f64::from(x) - max).exp()).sum();
    f64::from(logits[token as usize]) - max - sum.ln()
}

#[test]
fn real_qwen() {
    real(
        "qwen2.5-coder-0.5b-instruct-q4_k_m",
        MinAgreement {
            llama_cpp: 0.97,
            exact: 0.97,
        },
    );
}

/// The bar for llama.cpp is below 97% because exact arithmetic itself agrees with llama.cpp on
/// 95.9% of this model's positions only.
#[test]
fn real_smollm2() {
    real(
        "SmolLM2-135M-Instruct.Q4_1",
        MinAgreement {
            llama_cpp: 0.95,
            exact: 0.97,
        },
    );
}
