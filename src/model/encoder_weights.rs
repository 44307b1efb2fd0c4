//! The weights that an encoder has before its first layer and behind its last.

use super::{
    architecture::Norms,
    config::ModelConfig,
    encoder::{EncoderConfig, INPUT_NORM, POSITIONS, TOKEN_TYPES},
    layer_weights::{LayerNorm, take},
};
use crate::tensor::Weight;
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
    /// Takes them from the weights that were loaded, if the model has any.
    pub(super) fn take(
        config: &ModelConfig,
        loaded: &mut HashMap<String, Weight<Buf>>,
    ) -> Option<Self> {
        let encoder = config.encoder.as_ref();
        let encoder = encoder.filter(|_| config.norms == Norms::OfSums)?;
        Some(Self {
            positions: match encoder.parts.has_positions {
                true => Some(take(loaded, POSITIONS)),
                false => None,
            },
            token_types: loaded.remove(TOKEN_TYPES),
            norm: LayerNorm::take(loaded, INPUT_NORM),
        })
    }
}

/// Takes the matrices behind the pooling from the weights that were loaded.
pub(super) fn take_dense<Buf>(
    config: &ModelConfig,
    loaded: &mut HashMap<String, Weight<Buf>>,
) -> Vec<Weight<Buf>> {
    let layers = config.encoder.iter().flat_map(|encoder| &encoder.dense);
    let take = |(name, _): &(&str, usize)| take(loaded, &format!("{name}.weight"));
    layers.map(take).collect()
}

/// Lists the tensors that an encoder has beside layers and norms: their names, rows and columns, and
/// whether a file may do without.
pub(super) fn expected_of_encoder(
    config: &ModelConfig,
    encoder: &EncoderConfig,
) -> Vec<(String, usize, usize, bool)> {
    let mut cols = config.dims.embedding;
    let mut list = vec![(TOKEN_TYPES.into(), encoder.token_types, cols, true)];
    if encoder.parts.has_positions {
        list.push((POSITIONS.into(), config.context_length, cols, false));
    }
    for &(name, rows) in &encoder.dense {
        list.push((format!("{name}.weight"), rows, cols, false));
        cols = rows;
    }
    list
}
