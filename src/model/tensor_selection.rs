//! Finds the tensors of a file that the forward pass uses.

use super::{
    config::ModelConfig,
    layer_weights::missing,
    weights::{Expected, expected},
};
use crate::{
    Code, Error, Result,
    format::{gguf::TensorInfo, quoted},
    quant::DType,
};
use std::collections::{HashMap, HashSet};

/// Lists how the names of tensors begin that take part in the forward pass of some architecture. A
/// file may have tensors of other names, which are not read.
const PART_OF_MODEL: [&str; 6] = ["blk.", "output", "token_", "position_", "rope_", "dense_"];

fn is_part_of_model(name: &str) -> bool {
    PART_OF_MODEL.iter().any(|begin| name.starts_with(begin))
}

/// Ends the name of a tensor that has the range of activations of 4 bits, which there are none of.
const INPUT_SCALE: &str = ".input_scale";

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

/// Returns a tensor's name without what comes behind its last dot.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Finds the tensors that the forward pass uses. Given the header alone, it finds a file that does
/// not fit before its weights are downloaded.
pub struct Selection {
    wanted: HashMap<String, Expected>,
    /// Names the matrices of NVFP4 that were found, without `.weight`.
    nvfp4: HashSet<String>,
    /// Names the tensors that only a matrix of NVFP4 may have beside it. A split model's may be in
    /// an earlier file or in a later one.
    beside: Vec<String>,
}

impl Selection {
    /// Makes a selection that has found no tensor.
    pub fn new(config: &ModelConfig) -> Self {
        let by_name = |expected: Expected| (expected.name.clone(), expected);
        Self {
            wanted: expected(config).into_iter().map(by_name).collect(),
            nvfp4: HashSet::new(),
            beside: Vec::new(),
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
        let is_nvfp4 = |tensor: &&TensorInfo| tensor.dtype == DType::NVFP4 && tensor.rows() > 1;
        let stems = tensors.iter().filter(is_nvfp4).map(|it| stem(&it.name));
        self.nvfp4.extend(stems.map(str::to_owned));
        let mut selected = Vec::new();
        for tensor in tensors.iter().flat_map(|tensor| unfuse(config, tensor)) {
            let Some(e) = self.wanted.remove(&tensor.name) else {
                let name = &tensor.name;
                // Only products have a factor: no rows of a table and no convolutions. A fused
                // tensor is several here.
                let is_conv = [".conv.scale", ".ssm_conv1d.scale"]
                    .iter()
                    .any(|it| name.ends_with(it));
                let is_product = (name.starts_with("blk.") && !is_conv) || name == "output.scale";
                let is_factor = name.ends_with(".scale") && is_product && tensor.elements() == 1;
                if is_factor && !config.is_fused {
                    self.beside.push(name.clone());
                    selected.push(tensor);
                } else if name.ends_with(INPUT_SCALE) {
                    self.beside.push(name.clone());
                } else if is_part_of_model(name) {
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

    /// Checks that all tensors were found that a model must have, and none beside another that has
    /// none beside it.
    ///
    /// # Errors
    ///
    /// `architecture`, `tensor_missing`.
    pub fn finish(&self) -> Result<()> {
        let is_wrong = |name: &&String| is_part_of_model(name) && !self.nvfp4.contains(stem(name));
        if let Some(name) = self.beside.iter().find(is_wrong) {
            return Err(unknown(name));
        }
        let absent = self.wanted.values().filter(|e| !e.optional);
        match absent.map(|e| e.name.as_str()).min() {
            Some(name) => Err(missing(name)),
            None => Ok(()),
        }
    }
}
