//! In what the layers of a model differ from each other.

use super::{architecture::Architecture, keys::Keys, rope::LayerRope};
use crate::{Result, backend::Attention, format::metadata::Value};

/// Tells what mixes a layer's tokens with those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixer {
    /// Attention.
    Attention,
    /// A short convolution.
    ShortConv,
    /// A gated DeltaNet.
    DeltaNet,
}

/// Tells in what a layer differs from others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerConfig {
    /// Tells what mixes its tokens.
    pub mixer: Mixer,
    /// Counts the layers before it of the same mixer: so the cache numbers layers.
    pub cache_layer: usize,
    /// Tells how it attends.
    pub attention: Attention,
    /// Tells by which frequencies queries and keys are rotated.
    pub rope: LayerRope,
}

/// Returns what differs between layers. `attends` has an item for each, and `embedding_dim` is the
/// part of the embedding that a head has, which may differ from `head_dim`.
pub(super) fn read(
    keys: &Keys<'_>,
    arch: &Architecture,
    attends: &[bool],
    head_dim: usize,
    embedding_dim: usize,
) -> Result<Vec<LayerConfig>> {
    let layers = attends.len();
    let softcap = keys.scale("attn_logit_softcapping", arch.attention_softcap)?;
    let scale_dim = match layers == arch.embedding_scale_layers {
        true => embedding_dim,
        false => head_dim,
    };
    let full = Attention {
        is_causal: arch.encoder.is_none(),
        softcap,
        ..Attention::full(scale_dim)
    };
    let (window_key, pattern_key) = (
        "attention.sliding_window",
        "attention.sliding_window_pattern",
    );
    let mut window = u32::MAX;
    if let Some(positions) = keys.metadata.opt_u64(&keys.key(window_key))?
        && positions > 0
        && arch.full_attention_every != Some(1)
    {
        // Where tokens see those behind them, half of it lies on either side.
        let positions = match arch.encoder {
            Some(_) => positions / 2 + 1,
            None => positions,
        };
        window = u32::try_from(positions).unwrap_or(u32::MAX);
    }
    // A number tells that every n-th layer sees all positions; an array tells it of each layer.
    let pattern = keys.metadata.get(&keys.key(pattern_key));
    let of_layers = pattern.and_then(Value::as_bools);
    let every = match (&of_layers, arch.full_attention_every) {
        (None, Some(_)) if pattern.is_some() => Some(keys.dim(pattern_key)?),
        (_, every) => every,
    };
    if of_layers.is_some_and(|list| list.len() != layers) {
        return Err(keys.bad(pattern_key, layers as u64));
    }
    Ok((0..layers)
        .map(|layer| {
            let is_windowed = match of_layers {
                Some(list) => list[layer],
                None => every.is_none_or(|n| (layer + 1) % n != 0),
            };
            let alike = attends[..layer].iter().filter(|&&it| it == attends[layer]);
            LayerConfig {
                mixer: match attends[layer] {
                    true => Mixer::Attention,
                    false if arch.has_delta_nets => Mixer::DeltaNet,
                    false => Mixer::ShortConv,
                },
                cache_layer: alike.count(),
                attention: match is_windowed && attends[layer] {
                    true => Attention { window, ..full },
                    false => full,
                },
                rope: match (arch.local_rope_base, arch.no_rope_every) {
                    (Some(_), _) if is_windowed => LayerRope::Local,
                    (_, Some(n)) if (layer + 1) % n == 0 => LayerRope::None,
                    _ => LayerRope::Global,
                },
            }
        })
        .collect())
}
