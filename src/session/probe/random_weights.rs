//! Made-up weights in a file's formats.

use crate::{
    Result,
    backend::Backend,
    format::gguf::TensorInfo,
    generate::rng::Pcg32,
    model::{
        Model,
        config::ModelConfig,
        layers::{LayerConfig, Mixer},
        weights::{Expected, Weights, expected, is_on_host},
    },
    quant::{DType, random_weights},
    tensor::Weight,
};
use std::collections::HashMap;

/// The tokens that come together.
pub(super) const PROMPT: [u32; 9] = [3, 1, 4, 1, 5, 9, 2, 6, 5];
/// The positions of the KV cache.
pub(super) const CONTEXT_TOKENS: usize = 64;
/// The vocabulary of every model here: it counts little per layer, and its matrices are large.
pub(super) const VOCAB: usize = 256;

/// The formats of the tensors of a model of one layer, with their names.
pub(super) type Formats = Vec<(String, DType)>;

/// Returns the formats of each layer of a file with that of its other tensors, each set and length
/// of heads once, with the first layer that has it. `tensors` are those that a model of this config needs.
pub(super) fn formats_of_layers(
    config: &ModelConfig,
    tensors: &[TensorInfo],
) -> Vec<(usize, Formats)> {
    let dtypes: HashMap<&str, DType> = tensors
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor.dtype))
        .collect();
    let mut list: Vec<(usize, Formats)> = Vec::new();
    for layer in 0..config.dims.layers {
        let shares_cache = config.layers[layer].shares_cache;
        let dtype = |Expected { name, .. }: Expected| {
            let in_file = name.replace("blk.0.", &format!("blk.{layer}."));
            // A layer that shares keys and values is tried with some of its own.
            let of_query = in_file.replace(".attn_k", ".attn_q");
            let of_query = of_query.replace(".attn_v.", ".attn_q.");
            let of_query = dtypes.get(of_query.as_str()).filter(|_| shares_cache);
            let dtype = *dtypes.get(in_file.as_str()).or(of_query)?;
            (!is_on_host(&name)).then_some((name, dtype))
        };
        let of_layer = expected(&one_layer(config, layer)).into_iter();
        let formats: Formats = of_layer.filter_map(dtype).collect();
        let head_dim = |layer: usize| config.layers[layer].head_dim;
        let is_it = |(other, others): &(usize, Formats)| {
            *others == formats && head_dim(*other) == head_dim(layer)
        };
        if !list.iter().any(is_it) {
            list.push((layer, formats));
        }
    }
    list
}

/// Returns the format of a tensor.
pub(super) fn dtype_of(formats: &Formats, name: &str) -> Option<DType> {
    let found = formats.iter().find(|(other, _)| other == name);
    found.map(|&(_, dtype)| dtype)
}

/// Returns the config with one of its layers alone.
pub(super) fn one_layer(config: &ModelConfig, layer: usize) -> ModelConfig {
    let mut config = config.clone();
    let layer = LayerConfig {
        cache_layer: 0,
        shares_cache: false,
        ..config.layers[layer]
    };
    config.dims.layers = 1;
    config.dims.conv_layers = usize::from(layer.mixer != Mixer::Attention);
    if !config.dims.head_dims.is_empty() {
        config.dims.head_dims = vec![layer.head_dim];
    }
    config.layers = vec![layer];
    config
}

/// Makes a model of one layer, the same one on every backend.
///
/// # Errors
/// Those of the backend.
pub(super) fn random_model<B: Backend>(
    mut backend: B,
    config: &ModelConfig,
    formats: &Formats,
    context_tokens: usize,
) -> Result<Model<B>> {
    let mut rng = Pcg32::new(1, 0);
    let mut weights = HashMap::new();
    for tensor in expected(config) {
        if let Some(dtype) = dtype_of(formats, &tensor.name) {
            let (rows, cols) = (tensor.rows, tensor.cols);
            let weight = random_weight(&mut backend, &tensor.name, dtype, rows, cols, &mut rng)?;
            weights.insert(tensor.name, weight);
        }
    }
    let weights = Weights::new(config, weights, None)?;
    Model::new(config.clone(), backend, weights, None, context_tokens)
}

/// Makes a weight of about the variance that keeps activations in range.
fn random_weight<B: Backend>(
    backend: &mut B,
    name: &str,
    dtype: DType,
    rows: usize,
    cols: usize,
    rng: &mut Pcg32,
) -> Result<Weight<B::Buf>> {
    let mut weight = backend.alloc(dtype, rows, cols)?;
    let variance = if rows == 1 {
        1.0 / 3.0
    } else {
        1.0 / cols as f32
    };
    let mut bytes = random_weights(dtype, rows * cols, variance.sqrt(), &mut || rng.next_u32());
    if name.ends_with(".ssm_a") && dtype == DType::F32 {
        // Rates of decay are negative: states of others would grow.
        bytes
            .iter_mut()
            .skip(3)
            .step_by(4)
            .for_each(|high| *high |= 0x80);
    }
    backend.write(&mut weight, 0, &bytes);
    Ok(weight)
}
