//! Holds the tiny models, and what Hugging Face transformers computes with them.

use super::golden::{argmax, ids, teacher_forced};
use half::bf16;
use serde_json::Value;
use siskin::{
    backend::Backend,
    format::{
        gguf::{GgufReader, TensorInfo},
        write::GgufWriter,
    },
    loader::{Loader, Options},
    model::{Model, StepOutcome, weights::ROPE_FREQS},
    quant::DType,
};

const QWEN2_FILE: &[u8] = include_bytes!("../fixtures/models/qwen2-tiny.gguf");
const LLAMA3_FILE: &[u8] = include_bytes!("../fixtures/models/llama3-tiny.gguf");
/// Holds the name, the file and the golden of the tiny Qwen2.
pub const QWEN2: (&str, &[u8], &str) = (
    "qwen2-tiny",
    QWEN2_FILE,
    include_str!("../fixtures/models/qwen2-tiny.json"),
);
/// Holds the name, the file and the golden of the tiny Llama 3.
pub const LLAMA3: (&str, &[u8], &str) = (
    "llama3-tiny",
    LLAMA3_FILE,
    include_str!("../fixtures/models/llama3-tiny.json"),
);
/// Holds the name, the file and the golden of a tiny Llama with every bias that llama.cpp adds.
pub const LLAMA_BIAS: (&str, &[u8], &str) = (
    "llama-bias-tiny",
    include_bytes!("../fixtures/models/llama-bias-tiny.gguf"),
    include_str!("../fixtures/models/llama-bias-tiny.json"),
);
/// Holds the name, the file and the golden of a tiny Qwen2 with a bias on its logits.
pub const QWEN2_BIAS: (&str, &[u8], &str) = (
    "qwen2-bias-tiny",
    include_bytes!("../fixtures/models/qwen2-bias-tiny.gguf"),
    include_str!("../fixtures/models/qwen2-bias-tiny.json"),
);

/// Loads a tiny model, with the RoPE frequencies that its golden was computed with.
///
/// make.py turns the whole Hugging Face model to bfloat16 and back, which rounds the frequencies
/// too. The tensor `rope_freqs` is where a GGUF file can tell such frequencies.
pub fn load<B: Backend>(backend: B, file: &[u8]) -> Model<B> {
    let gguf = GgufReader::new().push(file).unwrap().unwrap();
    let data = |t: &TensorInfo| &file[t.offset as usize..(t.offset + t.size_bytes) as usize];
    let base = gguf
        .metadata
        .f32(&format!(
            "{}.rope.freq_base",
            gguf.metadata.str("general.architecture").unwrap()
        ))
        .unwrap();
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
        writer
            .tensor(&tensor.name, tensor.dtype, &tensor.dims, data(tensor))
            .unwrap();
    }
    writer
        .tensor(ROPE_FREQS, DType::F32, &[32], &divisors)
        .unwrap();
    let mut loader = Loader::new(
        backend,
        Options {
            context_tokens: Some(512),
            ..Options::default()
        },
    );
    loader.push(&writer.to_bytes()).unwrap();
    loader.finish().unwrap().model
}

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

/// Asserts that the mean of the hidden states points where `expected` does: that each of its numbers
/// is off by less than `bar`, at length 1. The prompt comes in steps of one, few and many tokens.
async fn check_states<B: Backend>(
    model: &mut Model<B>,
    prompt: &[u32],
    expected: &[f64],
    bar: f64,
) {
    let (mut sums, mut states, mut rest) = (vec![0f64; expected.len()], Vec::new(), prompt);
    for tokens in [1, 5, rest.len() - 6] {
        let (chunk, later) = rest.split_at(tokens);
        rest = later;
        let done = model.step_hidden(chunk, &mut states, &mut || false).await;
        assert_eq!(done.unwrap(), StepOutcome::Done(None));
        assert_eq!(states.len(), tokens * expected.len());
        for state in states.chunks_exact(expected.len()) {
            for (sum, &x) in sums.iter_mut().zip(state) {
                *sum += f64::from(x);
            }
        }
    }
    let length = sums.iter().map(|x| x * x).sum::<f64>().sqrt();
    let worst = sums
        .iter()
        .zip(expected)
        .fold(0f64, |m, (x, y)| m.max((x / length - y).abs()));
    println!("the mean of the states is off by at most {worst:.2e} at length 1");
    assert!(worst < bar, "the mean of the states is off by {worst}");
}

/// Asserts that the logits differ by less than `bar` of the largest one, and that the most likely
/// tokens are the same.
pub async fn check(backend: impl Backend, (name, file, golden): (&str, &[u8], &str), bar: f64) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let mut model = load(backend, file);
    let (prompt, vocab) = (ids(&golden["prompt"]), model.vocab_size());

    check_states(&mut model, &prompt, &floats(&golden["embedding"]), bar).await;
    model.rewind(0);
    let logits = teacher_forced(&mut model, &prompt).await;
    let best: Vec<u32> = logits.chunks_exact(vocab).map(argmax).collect();
    assert_eq!(best, ids(&golden["argmax"]));

    let expected = floats(&golden["last_logits"]);
    let largest = expected.iter().fold(0f64, |m, x| m.max(x.abs()));
    let worst = logits[logits.len() - vocab..]
        .iter()
        .zip(&expected)
        .fold(0f64, |m, (a, b)| m.max((*a as f64 - b).abs()));
    println!(
        "{name}: the last logits are off by at most {:.2e} of the largest",
        worst / largest
    );
    assert!(worst < bar * largest, "{name}: off by {worst}");

    let mut next = argmax(&logits[logits.len() - vocab..]);
    let (mut greedy, mut logits) = (vec![next], Vec::new());
    while greedy.len() < 16 {
        model.forward(&[next], Some(&mut logits)).await.unwrap();
        next = argmax(&logits);
        greedy.push(next);
    }
    assert_eq!(greedy, ids(&golden["greedy"]));
}
