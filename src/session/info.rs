//! What a page shows of the model that it loaded.

use super::engine::AnyModel;
use crate::{
    generate::Decoder,
    loader::{FileInfo, Loaded},
};
use serde::Serialize;

/// A loaded model: its file, its sizes and where it runs.
#[derive(Clone, Debug, Serialize)]
pub struct ModelInfo {
    /// What the file says of itself. Its fields are those of the model in JSON.
    #[serde(flatten)]
    pub file: FileInfo,
    /// The number of layers (GGUF's `block_count`).
    pub block_count: usize,
    /// The number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// The number of tokens that the KV cache holds.
    pub context_tokens: usize,
    /// Whether the file has a chat template.
    pub has_chat_template: bool,
    /// The backend that the model runs on: "cpu" or "gpu".
    pub backend: &'static str,
    /// The name of the GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The build of the engine, named by the instructions that it may use: "native", "simd",
    /// "relaxed" or "threads".
    pub build: &'static str,
    /// The number of CPU threads that compute.
    pub threads: usize,
}

impl From<&Loaded<AnyModel>> for ModelInfo {
    fn from(loaded: &Loaded<AnyModel>) -> Self {
        let model = &loaded.model;
        Self {
            file: loaded.file.clone(),
            block_count: model.block_count(),
            vocab_size: model.vocab_size(),
            context_tokens: model.context_tokens(),
            has_chat_template: loaded.template.is_some(),
            backend: model.backend(),
            adapter: model.adapter().map(str::to_owned),
            build: BUILD,
            threads: model.threads(),
        }
    }
}

/// The name of this build.
const BUILD: &str = if cfg!(not(target_arch = "wasm32")) {
    "native"
} else if cfg!(target_feature = "atomics") {
    "threads"
} else if cfg!(target_feature = "relaxed-simd") {
    "relaxed"
} else {
    "simd"
};
