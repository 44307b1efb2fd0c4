//! Compares whole tiny models with what Hugging Face transformers computes. `tests/web/main.rs`
//! runs the same tests in a browser.

mod support;

use siskin::backend::cpu::Cpu;
use support::{
    golden::teacher_forced,
    tiny::{LLAMA_BIAS, LLAMA3, QWEN2, QWEN2_BIAS, check, load},
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

#[test]
fn llama_bias_tiny() {
    pollster::block_on(check(Cpu::default(), LLAMA_BIAS, 1e-3));
}

#[test]
fn qwen2_bias_tiny() {
    pollster::block_on(check(Cpu::default(), QWEN2_BIAS, 1e-3));
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
