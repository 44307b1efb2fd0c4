//! Whole tiny models against what Hugging Face transformers computes. `tests/web.rs` runs the same in a browser.

mod common {
    pub mod golden;
}

use common::golden::{argmax, ids, teacher_forced};
use half::bf16;
use serde_json::Value;
use siskin::{
    backend::cpu::Cpu,
    format::{
        gguf::{GgufReader, TensorInfo},
        write::GgufWriter,
    },
    loader::{Loader, Options},
    model::{Model, weights::ROPE_FREQS},
    quant::DType,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const QWEN2: &[u8] = include_bytes!("fixtures/models/qwen2-tiny.gguf");
const LLAMA3: &[u8] = include_bytes!("fixtures/models/llama3-tiny.gguf");

/// A tiny model, with the rope frequencies that its golden was computed with: make.py turns the whole Hugging Face model to bfloat16 and
/// back, and that rounds the frequencies too. `rope_freqs` is the tensor in which a GGUF file can say so.
fn load(file: &[u8]) -> Model<Cpu> {
    let gguf = GgufReader::new().push(file).unwrap().unwrap();
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
    loader.finish().unwrap().model
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn check(name: &str, file: &[u8], golden: &str) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let mut model = load(file);
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
    check("qwen2-tiny", QWEN2, include_str!("fixtures/models/qwen2-tiny.json"));
}

#[test]
fn llama3_tiny() {
    check("llama3-tiny", LLAMA3, include_str!("fixtures/models/llama3-tiny.json"));
}

#[test]
fn one_token_at_a_time_equals_the_batch() {
    let mut model = load(LLAMA3);
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
