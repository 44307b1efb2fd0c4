//! Compares whole tiny models with what Hugging Face transformers computes. `tests/web/main.rs`
//! runs the same tests in a browser.

mod support;

use siskin::{
    backend::cpu::Cpu,
    format::{gguf::GgufReader, metadata::Metadata, write::GgufWriter},
};
use support::{
    golden::teacher_forced,
    tiny::{LLAMA3, QWEN2, check, load},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn qwen2_tiny() {
    pollster::block_on(check(Cpu::default(), QWEN2, 1e-3));
}

#[test]
fn llama3_tiny() {
    pollster::block_on(check(Cpu::default(), LLAMA3, 1e-3));
}

/// Writes the tiny Qwen2 as a file of the architecture llama, which rotates neighbours where qwen2
/// rotates halves: in each head of q and k, weights and biases, row i of the first half comes
/// before row i of the second.
fn qwen2_as_llama() -> Vec<u8> {
    const HEAD_DIM: usize = 64;
    let gguf = GgufReader::new().push(QWEN2.1).unwrap().unwrap();
    let mut metadata = Metadata::new();
    for (key, value) in gguf.metadata.iter() {
        metadata.insert(key.replace("qwen2.", "llama."), value.clone());
    }
    metadata.insert("general.architecture", "llama");
    let mut writer = GgufWriter::new(metadata).unwrap();
    for tensor in &gguf.tensors {
        let data = &QWEN2.1[tensor.offset as usize..tensor.end() as usize];
        let is_rotated = tensor.name.contains(".attn_q.") || tensor.name.contains(".attn_k.");
        let rows = if tensor.name.ends_with(".bias") {
            tensor.cols()
        } else {
            tensor.rows()
        };
        let row_bytes = data.len() / rows as usize;
        let data = match is_rotated {
            true => data
                .chunks(HEAD_DIM * row_bytes)
                .flat_map(|head| {
                    let (first, second) = head.split_at(HEAD_DIM / 2 * row_bytes);
                    let pairs = first.chunks(row_bytes).zip(second.chunks(row_bytes));
                    pairs.flat_map(|(a, b)| [a, b].concat())
                })
                .collect(),
            false => data.to_vec(),
        };
        writer
            .tensor(&tensor.name, tensor.dtype, &tensor.dims, data)
            .unwrap();
    }
    writer.to_bytes()
}

#[test]
fn a_llama_with_biases_adds_them() {
    let (name, _, golden) = QWEN2;
    let file = qwen2_as_llama();
    pollster::block_on(check(Cpu::default(), (name, &file, golden), 1e-3));
}

#[test]
fn one_token_at_a_time_equals_the_batch() {
    let mut model = load(Cpu::default(), LLAMA3.1);
    let tokens: Vec<u32> = (0..70).map(|i| i * 5 % 384).collect();
    let batch = pollster::block_on(teacher_forced(&mut model, &tokens));
    model.rewind(0);
    let (mut single, mut logits) = (Vec::new(), Vec::new());
    for token in &tokens {
        pollster::block_on(model.forward(&[*token], Some(&mut logits))).unwrap();
        single.extend_from_slice(&logits);
    }
    assert!(
        batch == single,
        "a token's logits depend on how many tokens came with it"
    );

    model.rewind(30);
    pollster::block_on(model.forward(&tokens[30..], Some(&mut logits))).unwrap();
    assert!(
        logits == batch[batch.len() - logits.len()..],
        "a cached beginning changes the logits"
    );
}
