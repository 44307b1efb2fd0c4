//! Names the architectures that Siskin runs. Each is declared in a file of its own.

mod llama;
mod qwen2;

use super::config::ModelConfig;
use crate::{
    Code, Error, Result,
    format::{gguf::Gguf, quoted},
};

/// Lists the values of `general.architecture` that Siskin runs.
pub const SUPPORTED: &[&str] = &["llama", "qwen2"];

/// Reads the config of the model in this file.
///
/// # Errors
///
/// `architecture`, `metadata`, `tensor_missing`.
pub fn config(gguf: &Gguf) -> Result<ModelConfig> {
    let name = gguf.metadata.str("general.architecture")?;
    let architecture = match name {
        "llama" => llama::architecture(),
        "qwen2" => qwen2::architecture(),
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
    ModelConfig::new(name, architecture, gguf)
}
