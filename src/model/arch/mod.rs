//! The architectures: one declaration a file, over the one decoder.

mod llama;
mod qwen2;

use super::spec::Spec;
use crate::{
    Code, Error, Result,
    format::{gguf::Gguf, quoted},
};

/// The names in `general.architecture` that Siskin runs.
pub const SUPPORTED: &[&str] = &["llama", "qwen2"];

/// The spec of the model in this file. Errors: `architecture`, `metadata`, `tensor_missing`.
pub fn spec(gguf: &Gguf) -> Result<Spec> {
    let name = gguf.metadata.str("general.architecture")?;
    let declaration = match name {
        "llama" => llama::declaration(),
        "qwen2" => qwen2::declaration(),
        other => {
            let names = SUPPORTED.join(", ");
            return Err(Error::new(
                Code::Architecture,
                format!("The architecture {} is not supported. Choose a model of one of {names}.", quoted(other)),
            ));
        }
    };
    Spec::new(name, declaration, gguf)
}
