//! Sorts the weights of a model by GGUF's names: which tensors the file must have, and where each
//! goes.

use super::{
    architecture::{Norms, QkNorm},
    config::ModelConfig,
    encoder::{INPUT_NORM, POSITIONS, TOKEN_TYPES},
    encoder_weights::EncoderInput,
    layer_inputs::{self, HostTable, LayerInputWeights},
    layer_weights::{Layer, SUM_NORMS, missing, take},
    layers::Mixer,
    rope::{ROPE_FACTORS, ROPE_FREQS},
    unfuse::{is_idle, unfuse},
};
use crate::{
    Code, Error, Result,
    format::{gguf::TensorInfo, quoted},
    quant::DType,
    tensor::Weight,
};
use std::collections::HashMap;

/// Holds the weights of a model. Matrices are `[rows, cols]`, with a row for each output.
pub struct Weights<Buf> {
    /// Holds the token embeddings, `[vocab, embedding]`.
    pub token_embd: Weight<Buf>,
    /// Holds the weights of each layer.
    pub layers: Vec<Layer<Buf>>,
    /// Holds what an encoder does to token embeddings first.
    pub encoder_input: Option<EncoderInput<Buf>>,
    /// Holds what the inputs of layers are made of, which few models have.
    pub layer_inputs: Option<LayerInputWeights<Buf>>,
    /// Holds the scale of the last RMSNorm, `[embedding]`, which encoders lack.
    pub output_norm: Option<Weight<Buf>>,
    /// Holds the output matrix (LM head), `[vocab, embedding]`. `None` where it is the token
    /// embeddings (tied).
    pub output: Option<Weight<Buf>>,
    /// Is added to the logits, `[vocab]`.
    pub output_bias: Option<Weight<Buf>>,
}

/// Describes a tensor that the forward pass uses.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Names the tensor as GGUF does.
    pub name: String,
    /// Counts the rows; a vector has one.
    pub rows: usize,
    /// Counts the columns.
    pub cols: usize,
    /// Tells whether a file may do without the tensor.
    pub optional: bool,
}

/// Lists the tensors of a model with this config.
pub fn expected(config: &ModelConfig) -> Vec<Expected> {
    let dims = &config.dims;
    let (vocab, embedding) = (dims.vocab, dims.embedding);
    let delta = dims.delta;
    let mut list = Vec::new();
    let mut add = |name: String, rows, cols, optional| {
        list.push(Expected {
            name,
            rows,
            cols,
            optional,
        })
    };
    add("token_embd.weight".into(), vocab, embedding, false);
    let mut layer_norms = Vec::new();
    match &config.encoder {
        Some(encoder) => {
            if encoder.parts.has_positions {
                add(POSITIONS.into(), config.context_length, embedding, false);
            }
            add(TOKEN_TYPES.into(), encoder.token_types, embedding, true);
            layer_norms.push(INPUT_NORM.to_owned());
        }
        None => {
            add("output.weight".into(), vocab, embedding, true);
            add("output_norm.weight".into(), 1, embedding, false);
        }
    }
    let pairs = config.rope_frequencies.len();
    add(ROPE_FREQS.into(), 1, pairs, true);
    if config.long_rope_from.is_some() {
        for name in ROPE_FACTORS {
            add(name.into(), 1, pairs, true);
        }
    }
    if dims.layer_input > 0 {
        for (name, rows, cols) in layer_inputs::expected(dims) {
            add(name.into(), rows, cols, false);
        }
    }
    for (i, layer) in config.layers.iter().enumerate() {
        let (head_dim, feed_forward) = (layer.head_dim, layer.feed_forward);
        let (q, kv) = (dims.heads * head_dim, dims.kv_heads * head_dim);
        let has_keys = !layer.shares_cache;
        let mut norms = Vec::new();
        if config.norms.are_before() {
            norms.extend([("attn_norm", embedding), ("ffn_norm", embedding)]);
        }
        if config.norms == Norms::OfSums {
            layer_norms.extend(SUM_NORMS.map(|name| format!("blk.{i}.{name}")));
        }
        if config.norms.are_behind() {
            norms.extend([
                ("post_attention_norm", embedding),
                ("post_ffw_norm", embedding),
            ]);
        }
        let attends = layer.mixer == Mixer::Attention;
        match config.qk_norm {
            QkNorm::Head if attends => {
                norms.push(("attn_q_norm", head_dim));
                norms.extend(has_keys.then_some(("attn_k_norm", head_dim)));
            }
            QkNorm::All if attends => norms.extend([("attn_q_norm", q), ("attn_k_norm", kv)]),
            _ => {}
        }
        if dims.layer_input > 0 {
            norms.push(("post_norm", embedding));
        }
        for (name, cols) in norms {
            add(format!("blk.{i}.{name}.weight"), 1, cols, false);
        }
        if config.scales_layers {
            add(format!("blk.{i}.{OUTPUT_SCALE}"), 1, 1, true);
        }
        let mut matrices = match layer.mixer {
            Mixer::Attention if has_keys => vec![
                ("attn_q", q * (1 + usize::from(delta.is_some())), embedding),
                ("attn_k", kv, embedding),
                ("attn_v", kv, embedding),
                ("attn_output", embedding, q),
            ],
            Mixer::Attention => vec![("attn_q", q, embedding), ("attn_output", embedding, q)],
            Mixer::ShortConv => vec![
                ("shortconv.in_proj", 3 * embedding, embedding),
                ("shortconv.conv", 1, embedding * config.conv_taps),
                ("shortconv.out_proj", embedding, embedding),
            ],
            Mixer::DeltaNet => Vec::new(),
        };
        if let Some(delta) = delta.filter(|_| !attends) {
            let (values, heads) = (delta.values(), delta.value_heads);
            matrices.extend([
                ("attn_qkv", delta.channels(), embedding),
                ("attn_gate", values, embedding),
                ("ssm_beta", heads, embedding),
                ("ssm_alpha", heads, embedding),
                ("ssm_conv1d", 1, delta.channels() * delta.taps),
                ("ssm_norm", 1, delta.value_dim),
                ("ssm_out", embedding, values),
            ]);
            for name in ["ssm_dt.bias", "ssm_a"] {
                add(format!("blk.{i}.{name}"), 1, heads, false);
            }
        }
        if dims.layer_input > 0 {
            matrices.push(("inp_gate", dims.layer_input, embedding));
            matrices.push(("proj", embedding, dims.layer_input));
        }
        if config.has_gate() {
            matrices.push(("ffn_gate", feed_forward, embedding));
        }
        matrices.extend([
            ("ffn_up", feed_forward, embedding),
            ("ffn_down", embedding, feed_forward),
        ]);
        for (name, rows, cols) in matrices {
            add(format!("blk.{i}.{name}.weight"), rows, cols, false);
        }
        let biases = [("attn_q", q), ("attn_k", kv), ("attn_v", kv)];
        let has_biases = attends && config.qk_norm == QkNorm::None;
        for (name, cols) in biases.iter().filter(|_| has_biases) {
            let name = format!("blk.{i}.{name}.bias");
            add(name, 1, *cols, !config.needs_qkv_bias);
        }
        for (name, cols) in [
            ("attn_output", embedding),
            ("ffn_gate", feed_forward),
            ("ffn_up", feed_forward),
            ("ffn_down", embedding),
        ] {
            if config.optional_biases.contains(&name) {
                add(format!("blk.{i}.{name}.bias"), 1, cols, true);
            }
        }
    }
    for name in layer_norms {
        add(format!("{name}.weight"), 1, embedding, false);
        add(format!("{name}.bias"), 1, embedding, false);
    }
    if config.optional_biases.contains(&"output") {
        add("output.bias".into(), 1, vocab, true);
    }
    list
}

/// Lists how the names of tensors begin that take part in the forward pass of some architecture. A
/// file may have tensors of other names, which are not read.
const PART_OF_MODEL: [&str; 6] = [
    "blk.",
    "output",
    "token_",
    "position_",
    "rope_",
    "per_layer_",
];

/// Names what multiplies the output of a layer.
pub const OUTPUT_SCALE: &str = "layer_output_scale.weight";

/// Returns whether the host reads a tensor, and no backend.
pub fn is_on_host(name: &str) -> bool {
    name == ROPE_FREQS
        || ROPE_FACTORS.contains(&name)
        || name == layer_inputs::TABLE
        || name.ends_with(OUTPUT_SCALE)
}

/// Returns the error for a tensor that belongs to the model, but to no step of the forward pass:
/// the answers would be wrong without it.
fn unknown(name: &str) -> Error {
    Error::new(
        Code::Architecture,
        format!(
            "The model has the tensor {}, which is not supported, and would answer wrongly without \
             it. Choose another model.",
            quoted(name)
        ),
    )
}

/// Returns the name of the weight that a tensor of this name multiplies: files of NVFP4 have a
/// factor beside each, `attn_q.scale` beside `attn_q.weight`. As in llama.cpp (`build_lora_mm`), it
/// multiplies the product, before a bias is added.
pub fn factor_of(name: &str) -> Option<String> {
    Some(format!("{}.weight", name.strip_suffix(".scale")?))
}

/// Finds the tensors that the forward pass uses. Given the header alone, it finds a file that does
/// not fit before its weights are downloaded.
pub struct Selection {
    wanted: HashMap<String, Expected>,
    norms_values: bool,
}

impl Selection {
    /// Makes a selection that has found no tensor.
    pub fn new(config: &ModelConfig) -> Self {
        let by_name = |expected: Expected| (expected.name.clone(), expected);
        Self {
            wanted: expected(config).into_iter().map(by_name).collect(),
            norms_values: config.norms_values,
        }
    }

    /// Returns those of a file's tensors that the forward pass uses, in the file's order.
    ///
    /// # Errors
    ///
    /// - `architecture` for a tensor of the model that the forward pass does not use.
    /// - `tensor_shape`.
    pub fn take(
        &mut self,
        config: &ModelConfig,
        tensors: &[TensorInfo],
    ) -> Result<Vec<TensorInfo>> {
        let mut selected = Vec::new();
        for tensor in tensors.iter().flat_map(|tensor| unfuse(config, tensor)) {
            let Some(e) = self.wanted.remove(&tensor.name) else {
                let name = &tensor.name;
                let is_beside = |end: &str| {
                    let stem = name.strip_suffix(end);
                    let is_it =
                        |t: &TensorInfo| t.rows() > 1 && t.name.strip_suffix(".weight") == stem;
                    let mut nvfp4 = tensors.iter().filter(|t| t.dtype == DType::NVFP4);
                    stem.is_some() && nvfp4.any(is_it)
                };
                // Only products have one: no rows of a table and no convolutions. A fused tensor is
                // several here.
                let is_conv = [".conv.scale", ".ssm_conv1d.scale"]
                    .iter()
                    .any(|it| name.ends_with(it));
                let is_product = (name.starts_with("blk.") && !is_conv) || name == "output.scale";
                let has_factor = is_product && !config.is_fused;
                if has_factor && tensor.elements() == 1 && is_beside(".scale") {
                    selected.push(tensor);
                    continue;
                }
                // It is the range of activations of 4 bits, which there are none of.
                if is_beside(".input_scale") {
                    continue;
                }
                if is_idle(config, name) {
                    continue;
                }
                if PART_OF_MODEL.iter().any(|begin| name.starts_with(begin)) {
                    return Err(unknown(name));
                }
                continue;
            };
            if (tensor.rows(), tensor.cols()) != (e.rows as u64, e.cols as u64) {
                return Err(Error::new(
                    Code::TensorShape,
                    format!(
                        "The tensor `{}` is {} x {} where the header asks for {} x {}. The file \
                         is broken: choose another conversion of the model.",
                        e.name,
                        tensor.rows(),
                        tensor.cols(),
                        e.rows,
                        e.cols
                    ),
                ));
            }
            selected.push(tensor);
        }
        Ok(selected)
    }

    /// Counts the weights of the tensors that a model must have and that were not found yet.
    pub fn missing_weights(&self) -> u64 {
        let absent = self.wanted.values().filter(|e| !e.optional);
        absent.fold(0, |sum, e| {
            (e.rows as u64)
                .saturating_mul(e.cols as u64)
                .saturating_add(sum)
        })
    }

    /// Checks that all tensors were found that a model must have.
    ///
    /// # Errors
    ///
    /// `tensor_missing`.
    pub fn finish(&self) -> Result<()> {
        let absent = self.wanted.values().filter(|e| !e.optional);
        match absent.map(|e| e.name.as_str()).min() {
            // Keys are there, and values are not.
            Some(name) if self.norms_values && name.ends_with(".attn_v.weight") => Err(Error::new(
                Code::Architecture,
                format!(
                    "The model lacks `{name}`, for its keys are its values too, which is not \
                         supported. Choose another model."
                ),
            )),
            Some(name) => Err(missing(name)),
            None => Ok(()),
        }
    }
}

impl<Buf> Weights<Buf> {
    /// Sorts the loaded weights by layer. `table` has the embeddings that layers take; without
    /// them, these are zeros.
    ///
    /// # Errors
    ///
    /// `tensor_missing`.
    pub fn new(
        config: &ModelConfig,
        mut loaded: HashMap<String, Weight<Buf>>,
        table: Option<HostTable>,
    ) -> Result<Self> {
        let mut layers = Vec::new();
        for i in 0..config.dims.layers {
            layers.push(Layer::new(config, i, &mut loaded)?);
        }
        Ok(Weights {
            token_embd: take(&mut loaded, "token_embd.weight")?,
            encoder_input: match &config.encoder {
                Some(encoder) => Some(EncoderInput::new(encoder.parts, &mut loaded)?),
                None => None,
            },
            layer_inputs: match config.dims.layer_input {
                0 => None,
                _ => Some(LayerInputWeights::new(&mut loaded, table)?),
            },
            output_norm: match config.encoder {
                Some(_) => None,
                None => Some(take(&mut loaded, "output_norm.weight")?),
            },
            output: loaded.remove("output.weight"),
            output_bias: loaded.remove("output.bias"),
            layers,
        })
    }
}
