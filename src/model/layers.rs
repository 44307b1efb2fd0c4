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
    /// Counts the layers before it of the same mixer that have room in the cache, which numbers
    /// layers so; or those before the layer whose keys and values it attends to.
    pub cache_layer: usize,
    /// Tells whether it attends to the keys and values of an earlier layer.
    pub shares_cache: bool,
    /// Holds the length of its heads.
    pub head_dim: usize,
    /// Holds the length of its feed-forward network's hidden activations.
    pub feed_forward: usize,
    /// Multiplies what it returns. The tensor `layer_output_scale` says it, which the host reads.
    pub output_scale: f32,
    /// Tells how it attends.
    pub attention: Attention,
    /// Tells by which frequencies queries and keys are rotated.
    pub rope: LayerRope,
}

/// Holds the sizes of layers.
pub(super) struct LayerSizes {
    /// Holds the length of a head.
    pub(super) head_dim: usize,
    /// Holds the length of a head in layers with a window.
    pub(super) local_head_dim: usize,
    /// Holds the part of the embedding that a head has.
    pub(super) embedding_dim: usize,
    /// Lists the lengths of feed-forward networks.
    pub(super) feed_forward: Vec<usize>,
}

/// Returns what differs between layers. `attends` has an item for each.
///
/// # Errors
///
/// `metadata`.
pub(super) fn read(
    keys: &Keys<'_>,
    arch: &Architecture,
    attends: &[bool],
    sizes: &LayerSizes,
) -> Result<Vec<LayerConfig>> {
    let layers = attends.len();
    let softcap = keys.scale("attn_logit_softcapping", arch.attention_softcap)?;
    let scale_dim = match layers == arch.embedding_scale_layers {
        true => sizes.embedding_dim,
        false => sizes.head_dim,
    };
    let usual = Attention::full(scale_dim);
    let full = Attention {
        is_causal: arch.encoder.is_none(),
        softcap,
        scale: arch.attention_scale.unwrap_or(usual.scale),
        ..usual
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
    let is_windowed = |layer: usize| match &of_layers {
        Some(list) => list[layer],
        None => every.is_none_or(|n| !(layer + 1).is_multiple_of(n)),
    };
    let own = own_layers(keys, arch, layers)?;
    (0..layers)
        .map(|layer| {
            let is_windowed_here = is_windowed(layer);
            // Of those that have keys and values, the last one of its kind.
            let alike = |&other: &usize| is_windowed(other) == is_windowed_here;
            let source = match layer < own {
                true => layer,
                false => (0..own)
                    .rev()
                    .find(alike)
                    .ok_or_else(|| keys.bad(SHARED_LAYERS, (layers - own) as u64))?,
            };
            let before = attends[..source].iter();
            Ok(LayerConfig {
                mixer: match attends[layer] {
                    true => Mixer::Attention,
                    false if arch.has_delta_nets => Mixer::DeltaNet,
                    false => Mixer::ShortConv,
                },
                cache_layer: before.filter(|&&it| it == attends[layer]).count(),
                shares_cache: source != layer,
                head_dim: match is_windowed_here {
                    true => sizes.local_head_dim,
                    false => sizes.head_dim,
                },
                feed_forward: sizes.feed_forward[layer],
                output_scale: 1.0,
                attention: match is_windowed_here && attends[layer] {
                    true => Attention { window, ..full },
                    false => full,
                },
                rope: match (arch.local_rope_base, arch.no_rope_every) {
                    (Some(_), _) if is_windowed_here => LayerRope::Local,
                    (_, Some(n)) if (layer + 1) % n == 0 => LayerRope::None,
                    _ => LayerRope::Global,
                },
            })
        })
        .collect()
}

/// Returns the length of heads in each layer of the cache.
pub(super) fn cached_head_dims(layers: &[LayerConfig]) -> Vec<usize> {
    let own = layers.iter().filter(|layer| !layer.shares_cache);
    own.map(|layer| layer.head_dim).collect()
}

/// Names the key that counts the layers, the last ones, which share keys and values.
const SHARED_LAYERS: &str = "attention.shared_kv_layers";

/// Returns the number of layers, the first ones, that have keys and values of their own.
fn own_layers(keys: &Keys<'_>, arch: &Architecture, layers: usize) -> Result<usize> {
    let shared = match arch.layers_differ {
        true => keys.metadata.opt_u64(&keys.key(SHARED_LAYERS))?,
        false => None,
    };
    let shared = shared.unwrap_or(0);
    usize::try_from(shared)
        .ok()
        .and_then(|shared| layers.checked_sub(shared))
        .filter(|&own| own > 0)
        .ok_or_else(|| keys.bad(SHARED_LAYERS, shared))
}
