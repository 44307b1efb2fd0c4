//! Compares whole tiny models with what Hugging Face transformers computes. `tests/web/main.rs`
//! runs the same tests in a browser.

mod support;

use siskin::{backend::cpu::Cpu, format::gguf::GgufReader, model::arch::SUPPORTED, quant::DType};
use support::{
    odd_formats::{check_factors, check_format, odd_formats},
    tiny::{ENCODERS, MODELS, check, check_cache, check_windows, windowed},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn tiny_models_are_those_of_transformers() {
    for &model in MODELS {
        pollster::block_on(check(Cpu::default(), model, 1e-3));
    }
}

/// With one scale for 32 weights, a format is Q8_0 of few integers, and what kernels compute is the
/// same to the last bit. Else it is compared with F32, which does not round activations to bytes.
#[test]
fn a_model_runs_in_every_format_with_a_codebook() {
    for dtype in odd_formats() {
        let (plain, bar) = match dtype {
            DType::IQ2XS | DType::IQ2S | DType::IQ1M | DType::NVFP4 => (DType::F32, 2e-2),
            _ => (DType::Q8_0, 0.0),
        };
        pollster::block_on(check_format(Cpu::default(), dtype, plain, bar));
    }
    pollster::block_on(check_factors(Cpu::default(), 2e-2));
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
            MODELS
                .iter()
                .chain(ENCODERS)
                .any(|(_, file, _)| declares(file)),
            "{architecture}"
        );
    }
}
