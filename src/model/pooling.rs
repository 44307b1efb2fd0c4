//! Which hidden states of a text's tokens its embedding is made of.

use super::keys::Keys;
use crate::{Code, Error, Result};

/// Tells which states of a text's tokens its embedding is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// It is the mean of all.
    Mean,
    /// It is that of the first token, an encoder's `[CLS]`.
    First,
    /// It is that of the last token, which alone has seen all others where attention is causal.
    Last,
}

impl Pooling {
    /// Reads it, as llama.cpp numbers them: none (0), for which the mean stands, the mean, the
    /// first, the last, and a rank.
    ///
    /// # Errors
    ///
    /// `architecture` for one that is not supported, `metadata`.
    pub(super) fn read(keys: &Keys<'_>, is_encoder: bool) -> Result<Self> {
        let key = keys.key("pooling_type");
        match keys.metadata.opt_u64(&key)? {
            None | Some(0 | 1) => Ok(Pooling::Mean),
            // The first token of a decoder has seen no other.
            Some(2) if is_encoder => Ok(Pooling::First),
            Some(3) => Ok(Pooling::Last),
            Some(other) => Err(Error::new(
                Code::Architecture,
                format!("`{key}` is {other}, which is not supported. Choose another model."),
            )),
        }
    }
}
