//! Names the architectures that Siskin runs. Each is declared in a file of its own.

mod bert;
mod gemma2;
mod gemma3;
mod gemma4;
mod gemma_embedding;
mod granite;
mod lfm2;
mod llama;
mod nomic_bert;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen35;
mod smollm3;

use super::config::ModelConfig;
use crate::{
    Code, Error, Result,
    format::{gguf::Gguf, metadata::Metadata, quoted},
};

/// Lists the values of `general.architecture` that Siskin runs.
pub const SUPPORTED: &[&str] = &[
    "llama",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3",
    "gemma4",
    "phi3",
    "smollm3",
    "olmo2",
    "granite",
    "mistral3",
    "lfm2",
    "qwen35",
    "bert",
    "nomic-bert",
    "gemma-embedding",
];

/// Reads the config of the model in this file.
///
/// # Errors
///
/// - `tensor_missing` without the token embeddings.
/// - `architecture`, also for a mixture of experts.
/// - `metadata`.
pub fn config(gguf: &Gguf) -> Result<ModelConfig> {
    let name = gguf.metadata.str("general.architecture")?;
    let architecture = match name {
        "bert" => bert::architecture(),
        "gemma2" => gemma2::architecture(),
        "gemma3" => gemma3::architecture(),
        "gemma-embedding" => gemma_embedding::architecture(),
        "gemma4" => gemma4::architecture(),
        "granite" => granite::architecture(),
        "lfm2" => lfm2::architecture(),
        "llama" | "mistral3" => llama::architecture(),
        "nomic-bert" => nomic_bert::architecture(),
        "olmo2" => olmo2::architecture(),
        "phi3" => phi3::architecture(),
        "qwen2" => qwen2::architecture(),
        "qwen3" => qwen3::architecture(),
        "qwen35" => qwen35::architecture(),
        "smollm3" => smollm3::architecture(),
        other => {
            let names = SUPPORTED.join(", ");
            return Err(Error::new(
                Code::Architecture,
                format!(
                    "The architecture {} is not supported. Choose a model of one of {names}.",
                    quoted(other)
                ),
            ));
        }
    };
    check_dense(&gguf.metadata, name)?;
    if architecture.encoder.is_none() {
        check_attention(&gguf.metadata, name)?;
    }
    ModelConfig::new(name, architecture, gguf)
}

/// Checks that every token goes through the same weights.
fn check_dense(metadata: &Metadata, architecture: &str) -> Result<()> {
    match metadata.opt_u64(&format!("{architecture}.expert_count"))? {
        None | Some(0) => Ok(()),
        Some(experts) => Err(Error::new(
            Code::Architecture,
            format!(
                "The model is a mixture of {experts} experts, which is not supported. Choose a \
                 dense model of the architecture {architecture}."
            ),
        )),
    }
}

/// Checks that attention is what the decoder computes: every token sees those before it.
fn check_attention(metadata: &Metadata, architecture: &str) -> Result<()> {
    let other = format!("{architecture}.attention.causal");
    if metadata.opt_bool(&other)? != Some(false) {
        return Ok(());
    }
    Err(Error::new(
        Code::Architecture,
        format!("What `{other}` asks for is not supported. Choose another model."),
    ))
}
