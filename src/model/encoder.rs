//! What encoders have and decoders have not: their text comes whole, and they write none.

use super::architecture::EncoderParts;
use crate::{Code, Error, format::gguf::Gguf};

/// Names the table of what each position adds to its token's embedding.
pub(super) const POSITIONS: &str = "position_embd.weight";
/// Names the table of what each kind of text adds. There is one text here, of the first kind.
pub(super) const TOKEN_TYPES: &str = "token_types.weight";
/// Names the LayerNorm of these sums, without `.weight` or `.bias`.
pub(super) const INPUT_NORM: &str = "token_embd_norm";

/// Holds the switches of an encoder.
#[derive(Clone, Debug)]
pub struct EncoderConfig {
    /// Tells which parts it has.
    pub(super) parts: EncoderParts,
    /// Counts the rows of the table of kinds of texts.
    pub(super) token_types: usize,
}

impl EncoderConfig {
    /// Reads them.
    pub(super) fn new(parts: EncoderParts, gguf: &Gguf) -> Self {
        let types = gguf.tensors.iter().find(|it| it.name == TOKEN_TYPES);
        let token_types = types.map_or(0, |it| it.rows()) as usize;
        Self { parts, token_types }
    }
}

/// Returns the error for an encoder that is asked for text, or for how likely one is.
pub fn writes_no_text() -> Error {
    Error::new(
        Code::InvalidArgument,
        "This model is an encoder: it makes embeddings, and writes and scores no text. Call \
         `embeddings.create`, or load a model that chats.",
    )
}
