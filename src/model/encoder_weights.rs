//! The weights that an encoder has before its first layer.

use super::{
    architecture::EncoderParts,
    encoder::{INPUT_NORM, POSITIONS, TOKEN_TYPES},
    layer_weights::{LayerNorm, take},
};
use crate::{Result, tensor::Weight};
use std::collections::HashMap;

/// Holds the weights of what is done to token embeddings before the first layer.
pub struct EncoderInput<Buf> {
    /// Holds what each position adds, `[context, embedding]`, where positions are learned.
    pub positions: Option<Weight<Buf>>,
    /// Holds what each kind of text adds, `[kinds, embedding]`.
    pub token_types: Option<Weight<Buf>>,
    /// Norms the sums.
    pub norm: LayerNorm<Buf>,
}

impl<Buf> EncoderInput<Buf> {
    /// Takes them from the weights that were loaded.
    ///
    /// # Errors
    ///
    /// `tensor_missing`.
    pub(super) fn new(
        parts: EncoderParts,
        loaded: &mut HashMap<String, Weight<Buf>>,
    ) -> Result<Self> {
        Ok(Self {
            positions: match parts.has_positions {
                true => Some(take(loaded, POSITIONS)?),
                false => None,
            },
            token_types: loaded.remove(TOKEN_TYPES),
            norm: LayerNorm::take(loaded, INPUT_NORM)?,
        })
    }
}
