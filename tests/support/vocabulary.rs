//! The vocabularies of real models, and a tiny one.

use super::model_header::model_header;
use proptest::prelude::*;
use siskin::format::metadata::{Metadata, StringArray};
use siskin::text::tokenizer::Tokenizer;

/// Each constant names a fixture, and a model with its vocabulary.
pub const QWEN2: (&str, &str) = ("qwen2", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
pub const LLAMA3: (&str, &str) = ("llama3", "ggml-vocab-llama-bpe.gguf");
pub const SMOLLM2: (&str, &str) = ("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf");
pub const LLAMA2: (&str, &str) = ("llama2", "ggml-vocab-llama-spm.gguf");

/// Reads the vocabulary of a model, where its file is there.
pub fn tokenizer(model: &str) -> Option<Tokenizer> {
    let gguf = model_header(model)?;
    Some(Tokenizer::from_metadata(&gguf.metadata).expect("a supported vocabulary"))
}

pub fn many_cases() -> ProptestConfig {
    ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Makes the metadata of a tiny vocabulary, of which tests break one thing.
pub fn tiny(model: &str, pre: Option<&str>) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("tokenizer.ggml.model", model);
    if let Some(pre) = pre {
        metadata.insert("tokenizer.ggml.pre", pre);
    }
    metadata.insert(
        "tokenizer.ggml.tokens",
        StringArray::from_iter(["a", "b", "ab", "<|im_end|>", "<tool>"]),
    );
    metadata.insert("tokenizer.ggml.token_type", vec![1, 1, 1, 4, 4]);
    metadata.insert(
        "tokenizer.ggml.merges",
        StringArray::from_iter(["a c", "ab", "", "a b"]),
    );
    metadata.insert("tokenizer.ggml.scores", vec![0.0_f32, 0.0, 1.0, 0.0, 0.0]);
    metadata.insert("tokenizer.ggml.unknown_token_id", 1_u32);
    metadata
}
