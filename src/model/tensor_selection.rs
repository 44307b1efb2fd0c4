//! Finds the tensors of a file that the forward pass uses.

use super::{
    config::ModelConfig,
    layer_weights::missing,
    unfuse::{is_idle, unfuse},
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
const PART_OF_MODEL: [&str; 7] = [
    "blk.",
    "output",
    "token_",
    "position_",
    "rope_",
    "dense_",
    "per_layer_",
];

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
    norms_values: bool,
}

impl Selection {
    /// Makes a selection that has found no tensor.
    pub fn new(config: &ModelConfig) -> Self {
        let by_name = |expected: Expected| (expected.name.clone(), expected);
        Self {
            wanted: expected(config).into_iter().map(by_name).collect(),
            nvfp4: HashSet::new(),
            beside: Vec::new(),
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
                } else if is_part_of_model(name) && !is_idle(config, name) {
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
