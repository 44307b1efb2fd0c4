//! What a page shows of the model it loaded.

use super::engine::AnyModel;
use crate::{generate::Decoder, loader::Loaded};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub struct ModelInfo {
    pub name: String,
    pub architecture: String,
    /// The type that holds most of the weights: "Q5_0".
    pub file_type: &'static str,
    pub parameter_count: u64,
    pub block_count: usize,
    pub vocab_size: usize,
    pub trained_context_tokens: usize,
    /// What the KV cache holds.
    pub context_tokens: usize,
    /// Of the file.
    pub size_bytes: u64,
    pub has_chat_template: bool,
    /// "cpu" or "gpu"
    pub backend: &'static str,
    /// The GPU's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Which of the builds this is, by the instructions it may use.
    pub build: &'static str,
    pub threads: usize,
}

impl From<&Loaded<AnyModel>> for ModelInfo {
    fn from(
        Loaded {
            model,
            template,
            facts,
            ..
        }: &Loaded<AnyModel>,
    ) -> Self {
        Self {
            name: facts.name.clone(),
            architecture: facts.architecture.clone(),
            file_type: facts.file_type,
            parameter_count: facts.parameter_count,
            block_count: model.layer_count(),
            vocab_size: model.vocab_size(),
            trained_context_tokens: facts.trained_context_tokens,
            context_tokens: model.context_tokens(),
            size_bytes: facts.size_bytes,
            has_chat_template: template.is_some(),
            backend: model.backend(),
            adapter: model.adapter().map(str::to_owned),
            build: BUILD,
            threads: model.threads(),
        }
    }
}

const BUILD: &str = if cfg!(not(target_arch = "wasm32")) {
    "native"
} else if cfg!(target_feature = "atomics") {
    "threads"
} else if cfg!(target_feature = "relaxed-simd") {
    "relaxed"
} else {
    "simd"
};
