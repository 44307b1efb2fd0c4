//! Sorts the weights of a model by GGUF's names: which tensors the file must have, and where each
//! goes.

use super::{
    architecture::{Norms, QkNorm},
    config::ModelConfig,
    encoder::{INPUT_NORM, POSITIONS, TOKEN_TYPES},
    encoder_weights::EncoderInput,
    layer_weights::{Layer, SUM_NORMS, missing, take},
    layers::Mixer,
    rope::{ROPE_FACTORS, ROPE_FREQS},
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
    let (vocab, embedding, feed_forward) = (dims.vocab, dims.embedding, dims.feed_forward);
    let (q, kv) = (dims.heads * dims.head_dim, dims.kv_heads * dims.head_dim);
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
    for i in 0..dims.layers {
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
        let attends = config.layers[i].mixer == Mixer::Attention;
        match config.qk_norm {
            QkNorm::Head if attends => norms.extend([
                ("attn_q_norm", dims.head_dim),
                ("attn_k_norm", dims.head_dim),
            ]),
            QkNorm::All if attends => norms.extend([("attn_q_norm", q), ("attn_k_norm", kv)]),
            _ => {}
        }
        for (name, cols) in norms {
            add(format!("blk.{i}.{name}.weight"), 1, cols, false);
        }
        let mut matrices = match config.layers[i].mixer {
            Mixer::Attention => vec![
                ("attn_q", q * (1 + usize::from(delta.is_some())), embedding),
                ("attn_k", kv, embedding),
                ("attn_v", kv, embedding),
                ("attn_output", embedding, q),
            ],
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
const PART_OF_MODEL: [&str; 5] = ["blk.", "output", "token_", "position_", "rope_"];

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

/// Returns a tensor as the forward pass reads it, where a model with convolutions has it otherwise:
/// a convolution is a vector, for it is no factor of a product, and a norm has another name: the
/// last one of LFM2, and that before the feed-forward network of Qwen3.5.
fn renamed(config: &ModelConfig, tensor: &TensorInfo) -> Option<TensorInfo> {
    let (taps, channels) = match config.dims.delta {
        Some(delta) => (delta.taps, delta.channels()),
        None => (config.conv_taps, config.dims.embedding),
    };
    let convs = [".shortconv.conv.weight", ".ssm_conv1d.weight"];
    let is_conv = convs.iter().any(|conv| tensor.name.ends_with(conv));
    let post_norm = "post_attention_norm.weight";
    let (name, dims) = match tensor.name.as_str() {
        _ if taps == 0 => return None,
        "token_embd_norm.weight" => ("output_norm.weight".into(), tensor.dims.clone()),
        name if config.dims.delta.is_some() && name.ends_with(post_norm) => (
            name.replace(post_norm, "ffn_norm.weight"),
            tensor.dims.clone(),
        ),
        name if is_conv && tensor.dims == [taps as u64, channels as u64] => {
            (name.to_owned(), vec![(taps * channels) as u64])
        }
        _ => return None,
    };
    Some(TensorInfo {
        name,
        dims,
        ..tensor.clone()
    })
}

/// Returns the parts of a tensor that holds several weights one after the other, each by its own
/// name; else the tensor as it is.
pub(crate) fn unfuse(config: &ModelConfig, tensor: &TensorInfo) -> Vec<TensorInfo> {
    if let Some(renamed) = renamed(config, tensor) {
        return vec![renamed];
    }
    let dims = &config.dims;
    let (q, kv) = (dims.heads * dims.head_dim, dims.kv_heads * dims.head_dim);
    let parts: &[(&str, usize)] = match tensor.name.rsplit_once("attn_qkv.") {
        Some(_) => &[("attn_q.", q), ("attn_k.", kv), ("attn_v.", kv)],
        None => &[
            ("ffn_gate.", dims.feed_forward),
            ("ffn_up.", dims.feed_forward),
        ],
    };
    let fused = ["attn_qkv.weight", "ffn_up.weight"];
    let found = fused.iter().find(|fused| tensor.name.ends_with(*fused));
    let rows: usize = parts.iter().map(|(_, rows)| rows).sum();
    let (Some(fused), true) = (found, config.is_fused && tensor.rows() == rows as u64) else {
        return vec![tensor.clone()];
    };
    let row_bytes = tensor.size_bytes / tensor.rows();
    let prefix = tensor.name.trim_end_matches(fused);
    let mut offset = tensor.offset;
    let part = |&(name, rows): &(&str, usize)| {
        let size_bytes = rows as u64 * row_bytes;
        offset += size_bytes;
        TensorInfo {
            name: format!("{prefix}{name}weight"),
            dims: vec![tensor.cols(), rows as u64],
            offset: offset - size_bytes,
            size_bytes,
            ..tensor.clone()
        }
    };
    parts.iter().map(part).collect()
}

/// Finds the tensors that the forward pass uses. Given the header alone, it finds a file that does
/// not fit before its weights are downloaded.
pub struct Selection {
    wanted: HashMap<String, Expected>,
}

impl Selection {
    /// Makes a selection that has found no tensor.
    pub fn new(config: &ModelConfig) -> Self {
        let by_name = |expected: Expected| (expected.name.clone(), expected);
        Self {
            wanted: expected(config).into_iter().map(by_name).collect(),
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
            Some(name) => Err(missing(name)),
            None => Ok(()),
        }
    }
}

impl<Buf> Weights<Buf> {
    /// Sorts the loaded weights by layer.
    ///
    /// # Errors
    ///
    /// `tensor_missing`.
    pub fn new(config: &ModelConfig, mut loaded: HashMap<String, Weight<Buf>>) -> Result<Self> {
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
