//! Defines what a model file gives.

use crate::{
    Result,
    format::gguf::Gguf,
    text::{template::ChatTemplate, tokenizer::Tokenizer},
};
use serde::Serialize;

/// Holds a loaded model with what else its file has.
pub struct Loaded<M> {
    /// Holds the model.
    pub model: M,
    /// Holds the tokenizer.
    pub tokenizer: Tokenizer,
    /// Holds the chat template, if the file has one.
    pub template: Option<ChatTemplate>,
    /// Holds what the file says of itself.
    pub file: FileInfo,
}

impl<M> Loaded<M> {
    /// Replaces the model by what `map` makes of it.
    pub fn map<N>(self, map: impl FnOnce(M) -> N) -> Loaded<N> {
        Loaded {
            model: map(self.model),
            tokenizer: self.tokenizer,
            template: self.template,
            file: self.file,
        }
    }
}

/// Holds what a model file says of itself, for a page or a command line to show.
#[derive(Clone, Debug, Serialize)]
pub struct FileInfo {
    /// Holds the name of the model.
    pub name: String,
    /// Holds the name of the architecture: "llama".
    pub architecture: String,
    /// Names the type of most weights: "Q5_0".
    pub file_type: &'static str,
    /// Counts the weights.
    pub parameter_count: u64,
    /// Holds the length of the context, in tokens, that the model was trained on.
    pub trained_context_tokens: usize,
    /// Holds the size of the file, or of a split model's files together.
    pub size_bytes: u64,
    /// Tells files apart: a hash of a sample of the bytes, in hexadecimal. Empty until the file was
    /// read.
    pub fingerprint: String,
}

impl FileInfo {
    /// Reads the header of a model that was trained on a context of `trained_context_tokens`.
    ///
    /// # Errors
    ///
    /// `metadata`.
    pub(super) fn new(gguf: &Gguf, trained_context_tokens: usize) -> Result<Self> {
        let name = gguf.metadata.opt_str("general.name").ok().flatten();
        Ok(Self {
            name: name.unwrap_or("unnamed").to_owned(),
            architecture: gguf.metadata.str("general.architecture")?.to_owned(),
            file_type: gguf.file_type(),
            parameter_count: gguf.parameter_count(),
            trained_context_tokens,
            size_bytes: gguf.size_bytes,
            fingerprint: String::new(),
        })
    }

    /// Counts the tensors of all headers that have come.
    pub(super) fn count(&mut self, gguf: &Gguf) {
        self.file_type = gguf.file_type();
        self.parameter_count = gguf.parameter_count();
        self.size_bytes = gguf.size_bytes;
    }
}
