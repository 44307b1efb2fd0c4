//! Compares whole tiny models with what Hugging Face transformers computes. `tests/web/main.rs`
//! runs the same tests in a browser.

mod support;

use siskin::{backend::cpu::Cpu, format::gguf::GgufReader, model::arch::SUPPORTED};
use support::tiny::{MODELS, check, check_cache, check_windows, windowed};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn tiny_models_are_those_of_transformers() {
    for &model in MODELS {
        pollster::block_on(check(Cpu::default(), model, 1e-3));
    }
}

#[test]
fn logits_do_not_depend_on_how_tokens_come() {
    for &model in MODELS {
        pollster::block_on(check_cache(Cpu::default(), model, 0.0));
    }
}

#[test]
fn layers_that_keep_their_windows_alone_compute_the_same() {
    for (model, room) in windowed() {
        pollster::block_on(check_windows(Cpu::default(), model, room, 0.0));
    }
}

#[test]
fn every_architecture_has_a_tiny_model() {
    for &architecture in SUPPORTED {
        let declares = |file: &[u8]| {
            let gguf = GgufReader::new().push(file).unwrap().unwrap();
            gguf.metadata.str("general.architecture") == Ok(architecture)
        };
        assert!(
            MODELS.iter().any(|(_, file, _)| declares(file)),
            "{architecture}"
        );
    }
}
