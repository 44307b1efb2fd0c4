//! Whole models against what Hugging Face transformers (the tiny ones) and llama.cpp (the real ones) compute.

mod common {
    pub mod model_path;
}

use common::model_path::model_path;
use serde_json::Value;
use siskin::{
    backend::cpu::Cpu,
    loader::{Loaded, Loader, Options},
    model::{Model, STEP_TOKENS},
};
use std::{fs::File, io::Read, path::Path};

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models");
    let golden: Value = serde_json::from_reader(File::open(folder.join(format!("{name}.json"))).unwrap()).unwrap();
    let mut model = load(&folder.join(format!("{name}.gguf"))).model;
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/llama3-tiny.gguf");
    let mut model = load(&path).model;
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

fn real(name: &str) {
    let Some(path) = model_path(&format!("{name}.gguf")) else { return };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/real/{name}.json"));
    let golden: Value = serde_json::from_reader(File::open(golden).unwrap()).unwrap();
    let (tokens, expected) = (ids(&golden["tokens"]), ids(&golden["argmax"]));
    let mut model = load(&path).model;
    let vocab = model.vocab_size();
    let logits = teacher_forced(&mut model, &tokens);

    let same = logits.chunks_exact(vocab).zip(&expected).filter(|(row, best)| argmax(row) == **best).count();
    let agreement = same as f64 / tokens.len() as f64;
    let mut worst = (0.0, 0);
    let (mut total, golden_logprobs) = (0.0, floats(&golden["logprob_next"]));
    for (i, row) in logits.chunks_exact(vocab).enumerate().take(tokens.len() - 1) {
        let max = row.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x)) as f64;
        let sum: f64 = row.iter().map(|&x| (x as f64 - max).exp()).sum();
        let logprob = row[tokens[i + 1] as usize] as f64 - max - sum.ln();
        total -= logprob;
        if std::env::var("DUMP").is_ok() {
            println!("{i} {:.3} {:.3} {:.3}", logprob, golden_logprobs[i], logprob - golden_logprobs[i]);
        }
        worst = if (logprob - golden_logprobs[i]).abs() > worst.0 { ((logprob - golden_logprobs[i]).abs(), i) } else { worst };
    }
    let perplexity = (total / (tokens.len() - 1) as f64).exp();
    let expected = golden["perplexity"].as_f64().unwrap();
    println!(
        "{name}: argmax agrees on {:.1}%, perplexity {perplexity:.4} beside {expected:.4}, log-probability off by at most {:.2} (position {})",
        100.0 * agreement,
        worst.0,
        worst.1
    );
    assert!(agreement >= 0.97, "argmax agrees on {agreement}");
    assert!((perplexity / expected - 1.0).abs() < 0.01, "perplexity {perplexity}, expected {expected}");
}

#[test]
fn real_qwen() {
    real("qwen2.5-coder-0.5b-instruct-q4_k_m");
}

#[test]
fn real_smollm2() {
    real("SmolLM2-135M-Instruct.Q4_1");
}
