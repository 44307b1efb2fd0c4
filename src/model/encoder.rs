//! What encoders have and decoders have not: their text comes whole, and they write none.

use super::{architecture::EncoderParts, keys::Keys};
use crate::{Code, Error, Result, format::gguf::Gguf};

/// Names the table of what each position adds to its token's embedding.
pub(super) const POSITIONS: &str = "position_embd.weight";
/// Names the table of what each kind of text adds. There is one text here, of the first kind.
pub(super) const TOKEN_TYPES: &str = "token_types.weight";
/// Names the LayerNorm of these sums, without `.weight` or `.bias`.
pub(super) const INPUT_NORM: &str = "token_embd_norm";

/// Names the dense layers that an embedding goes through behind the pooling, without `.weight`.
const DENSE: [&str; 2] = ["dense_2", "dense_3"];

/// Holds the switches of an encoder.
#[derive(Clone, Debug)]
pub struct EncoderConfig {
    /// Tells which parts it has.
    pub(super) parts: EncoderParts,
    /// Counts the rows of the table of kinds of texts.
    pub(super) token_types: usize,
    /// Lists the dense layers behind the pooling, each with the length of what it returns.
    pub(super) dense: Vec<(&'static str, usize)>,
}

impl EncoderConfig {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// `metadata`.
    pub(super) fn new(parts: EncoderParts, keys: &Keys<'_>, gguf: &Gguf) -> Result<Self> {
        // The first file of a split model may not have the table.
        let types = gguf.tensors.iter().find(|it| it.name == TOKEN_TYPES);
        let count = gguf.metadata.opt_u64("tokenizer.ggml.token_type_count")?;
        let token_types = count.unwrap_or(types.map_or(0, |it| it.rows())) as usize;
        let mut dense = Vec::new();
        for name in DENSE {
            if let Some(length) = keys.opt_dim(&format!("{name}_feat_out"))? {
                dense.push((name, length));
            }
        }
        Ok(Self {
            parts,
            token_types,
            dense,
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
