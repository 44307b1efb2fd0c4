//! Token ids equal those of the models' own tokenizers, and come back as the same text.

mod common;

use serde::Deserialize;
use siskin::text::tokenizer::{Special, Tokenizer};
use std::time::{Duration, Instant};
use unicode_normalization::UnicodeNormalization;

/// Fixture, and a model with that vocabulary.
const QWEN2: (&str, &str) = ("qwen2", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
const LLAMA3: (&str, &str) = ("llama3", "ggml-vocab-llama-bpe.gguf");
const SMOLLM2: (&str, &str) = ("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf");
const LLAMA2: (&str, &str) = ("llama2", "ggml-vocab-llama-spm.gguf");

#[derive(Deserialize)]
struct Golden {
    text: String,
    /// With control tokens read as plain text.
    ids: Vec<u32>,
    ids_special: Vec<u32>,
}

fn tokenizer(model: &str) -> Option<Tokenizer> {
    let gguf = common::model_header(model)?;
    Some(Tokenizer::from_metadata(&gguf.metadata).expect("a supported vocabulary"))
}

/// `kept` says what a text is after encoding and decoding.
fn check_goldens((fixture, model): (&str, &str), kept: impl Fn(&str) -> String) {
    let Some(tokenizer) = tokenizer(model) else { return };
    let path = format!("{}/tests/fixtures/tokenizer/{fixture}.json", env!("CARGO_MANIFEST_DIR"));
    let goldens: Vec<Golden> = serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("goldens");
    assert_eq!(goldens.len(), 102);
    for Golden { text, ids, ids_special } in goldens {
        assert_eq!(tokenizer.encode(&text, Special::Plain), ids, "{fixture}, plain: {text:?}");
        assert_eq!(tokenizer.encode(&text, Special::Parse), ids_special, "{fixture}, parsed: {text:?}");
        assert_eq!(tokenizer.decode(&ids), kept(&text), "{fixture}, plain");
        assert_eq!(tokenizer.decode(&ids_special), kept(&text), "{fixture}, parsed");
    }
}

#[test]
fn qwen2_ids_equal_the_goldens() {
    check_goldens(QWEN2, |text| text.nfc().collect());
}

#[test]
fn llama3_ids_equal_the_goldens() {
    check_goldens(LLAMA3, str::to_owned);
}

#[test]
fn smollm2_ids_equal_the_goldens() {
    check_goldens(SMOLLM2, str::to_owned);
}

#[test]
fn llama2_ids_equal_the_goldens() {
    check_goldens(LLAMA2, str::to_owned);
}

#[test]
fn long_texts_encode_in_time() {
    let mixed = "The quick brown fox, 中文文本，测试。 Ünïcödé 12345 {\"k\": [1, 2]}\n\tlet x = 'a';  😀 don't\r\n\n";
    for (_, model) in [QWEN2, LLAMA3, SMOLLM2, LLAMA2] {
        let Some(tokenizer) = tokenizer(model) else { continue };
        for text in [mixed, "a", " ", "\n", "<", "'", "1", "中", "e\u{301}", "\u{301}"] {
            let text = text.repeat(100_000_usize.div_ceil(text.len()));
            let start = Instant::now();
            let ids = tokenizer.encode(&text, Special::Parse);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(1), "{model}: 100 kB of {:?}... took {took:?}", text.chars().take(8).collect::<String>());
            assert!(!ids.is_empty() && ids.len() <= text.len());
        }
    }
}
