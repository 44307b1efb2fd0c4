//! Tells a page what it loaded.

use super::engine::AnyModel;
use crate::{
    generate::Decoder,
    loader::{FileInfo, Loaded},
};
use serde::Serialize;

/// Describes a loaded model: its file, its sizes and where it runs.
#[derive(Clone, Debug, Serialize)]
pub struct ModelInfo {
    /// Holds what the file says of itself. In JSON its fields are beside those below.
    #[serde(flatten)]
    pub file: FileInfo,
    /// Counts the layers (GGUF's `block_count`).
    pub block_count: usize,
    /// Counts the tokens in the vocabulary.
    pub vocab_size: usize,
    /// Tells how many tokens the KV cache holds.
    pub context_tokens: usize,
    /// Counts the slots, each of which keeps a conversation in a KV cache of its own.
    pub slots: usize,
    /// Tells how much memory the KV caches of all slots take.
    pub kv_cache_bytes: usize,
    /// Tells whether there is a chat template: the caller's or the file's.
    pub has_chat_template: bool,
    /// Names the backend that the model runs on: "cpu" or "gpu".
    pub backend: &'static str,
    /// Names the GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Lists the features that shaders use on the GPU, by WebGPU's names: "subgroups", "shader-f16"
    /// and "packed_4x8_integer_dot_product". One whose kernels were wrong is not among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_features: Option<Vec<&'static str>>,
    /// Names the build of the engine by the instructions that it may use: "native", "simd",
    /// "relaxed", "threads" or "threads-simd".
    pub build: &'static str,
    /// Counts the CPU threads that compute.
    pub threads: usize,
}

impl From<&Loaded<AnyModel>> for ModelInfo {
    fn from(loaded: &Loaded<AnyModel>) -> Self {
        let model = &loaded.model;
        Self {
            file: loaded.file.clone(),
            block_count: model.layer_count(),
            vocab_size: model.vocab_size(),
            context_tokens: model.context_tokens(),
            slots: model.slot_count(),
            kv_cache_bytes: model.kv_cache_bytes(),
            has_chat_template: loaded.template.is_some(),
            backend: model.backend(),
            adapter: model.adapter().map(str::to_owned),
            gpu_features: model.gpu_features(),
            build: BUILD,
            threads: model.threads(),
        }
    }
}

/// Names this build.
const BUILD: &str = if cfg!(not(target_arch = "wasm32")) {
    "native"
} else if cfg!(all(
    target_feature = "atomics",
    target_feature = "relaxed-simd"
)) {
    "threads"
} else if cfg!(target_feature = "atomics") {
    "threads-simd"
} else if cfg!(target_feature = "relaxed-simd") {
    "relaxed"
} else {
    "simd"
};
