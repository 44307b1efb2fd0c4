//! What encoders have and decoders have not: their text comes whole, and they write none.

use super::{architecture::EncoderParts, keys::Keys};
use crate::{Code, Error, Result, format::gguf::Gguf};

/// Names the table of what each position adds to its token's embedding.
pub(super) const POSITIONS: &str = "position_embd.weight";
/// Names the table of what each kind of text adds. There is one text here, of the first kind.
pub(super) const TOKEN_TYPES: &str = "token_types.weight";
/// Names the LayerNorm of these sums, without `.weight` or `.bias`.
pub(super) const INPUT_NORM: &str = "token_embd_norm";

/// Tells which states of a text's tokens its embedding is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// It is the mean of all.
    Mean,
    /// It is that of the first token, `[CLS]`.
    First,
}

/// Holds the switches of an encoder.
#[derive(Clone, Debug)]
pub struct EncoderConfig {
    /// Tells which parts it has.
    pub(super) parts: EncoderParts,
    /// Tells which states an embedding is made of.
    pub pooling: Pooling,
    /// Counts the rows of the table of kinds of texts.
    pub(super) token_types: usize,
}

impl EncoderConfig {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// `architecture` for a pooling that is not supported, `metadata`.
    pub(super) fn new(keys: &Keys<'_>, parts: EncoderParts, gguf: &Gguf) -> Result<Self> {
        let key = keys.key("pooling_type");
        // As llama.cpp numbers them: none, for which the mean stands, the mean, and the first.
        let pooling = match keys.metadata.opt_u64(&key)? {
            None | Some(0 | 1) => Pooling::Mean,
            Some(2) => Pooling::First,
            Some(other) => {
                return Err(Error::new(
                    Code::Architecture,
                    format!("`{key}` is {other}, which is not supported. Choose another model."),
                ));
            }
        };
        let types = gguf.tensors.iter().find(|it| it.name == TOKEN_TYPES);
        let token_types = types.map_or(0, |it| it.rows()) as usize;
        Ok(Self {
            parts,
            pooling,
            token_types,
        })
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
