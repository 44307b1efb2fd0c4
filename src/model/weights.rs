//! A decoder's weights under GGUF's names: what the file must hold, and where each tensor goes.

use super::config::ModelConfig;
use crate::{
    Code, Error, Result,
    format::gguf::{Gguf, TensorInfo},
    tensor::Weight,
};
use std::collections::HashMap;

pub struct Weights<Buf> {
    pub token_embd: Weight<Buf>,
    pub layers: Vec<Layer<Buf>>,
    pub output_norm: Weight<Buf>,
    /// None where the embedding serves as output matrix too (tied).
    pub output: Option<Weight<Buf>>,
}

pub struct Layer<Buf> {
    pub attn_norm: Weight<Buf>,
    pub attn_q: Weight<Buf>,
    pub attn_k: Weight<Buf>,
    pub attn_v: Weight<Buf>,
    pub attn_q_bias: Option<Weight<Buf>>,
    pub attn_k_bias: Option<Weight<Buf>>,
    pub attn_v_bias: Option<Weight<Buf>>,
    pub attn_output: Weight<Buf>,
    pub ffn_norm: Weight<Buf>,
    pub ffn_gate: Weight<Buf>,
    pub ffn_up: Weight<Buf>,
    pub ffn_down: Weight<Buf>,
}

/// The tensor with llama 3's divisors of the rope frequencies. The host reads it, not a backend.
pub const ROPE_FREQS: &str = "rope_freqs.weight";

/// A tensor that the decoder uses.
struct Expected {
    name: String,
    rows: usize,
    cols: usize,
    optional: bool,
}

fn expected(config: &ModelConfig) -> Vec<Expected> {
    let w = &config.dims;
    let (q, kv) = (w.heads * w.head_dim, w.kv_heads * w.head_dim);
    let mut list = Vec::new();
    let mut add = |name: String, rows, cols, optional| {
        list.push(Expected {
            name,
            rows,
            cols,
            optional,
        })
    };
    add("token_embd.weight".into(), w.vocab, w.embedding, false);
    add("output.weight".into(), w.vocab, w.embedding, true);
    add("output_norm.weight".into(), 1, w.embedding, false);
    add(ROPE_FREQS.into(), 1, config.rope_frequencies.len(), true);
    for i in 0..w.layers {
        for (name, rows, cols) in [
            ("attn_norm", 1, w.embedding),
            ("attn_q", q, w.embedding),
            ("attn_k", kv, w.embedding),
            ("attn_v", kv, w.embedding),
            ("attn_output", w.embedding, q),
            ("ffn_norm", 1, w.embedding),
            ("ffn_gate", w.feed_forward, w.embedding),
            ("ffn_up", w.feed_forward, w.embedding),
            ("ffn_down", w.embedding, w.feed_forward),
        ] {
            add(format!("blk.{i}.{name}.weight"), rows, cols, false);
        }
        if config.qkv_bias {
            for (name, cols) in [("attn_q", q), ("attn_k", kv), ("attn_v", kv)] {
                add(format!("blk.{i}.{name}.bias"), 1, cols, false);
            }
        }
    }
    list
}

fn missing(name: &str) -> Error {
    Error::new(
        Code::TensorMissing,
        format!("The file lacks the tensor `{name}`. Download it again, or choose another model."),
    )
}

/// The tensors of the file that the decoder uses, in the file's order. Checked before a byte of them is downloaded.
/// Errors: `tensor_missing`, `tensor_shape`.
pub fn select(config: &ModelConfig, gguf: &Gguf) -> Result<Vec<TensorInfo>> {
    let mut wanted: HashMap<String, Expected> = expected(config)
        .into_iter()
        .map(|e| (e.name.clone(), e))
        .collect();
    let mut selected = Vec::new();
    for tensor in &gguf.tensors {
        let Some(e) = wanted.remove(&tensor.name) else {
            continue;
        };
        if (tensor.rows(), tensor.cols()) != (e.rows as u64, e.cols as u64) {
            return Err(Error::new(
                Code::TensorShape,
                format!(
                    "The tensor `{}` is {} x {} where the header asks for {} x {}. The file is broken: choose another conversion of the model.",
                    e.name,
                    tensor.rows(),
                    tensor.cols(),
                    e.rows,
                    e.cols
                ),
            ));
        }
        selected.push(tensor.clone());
    }
    let mut absent: Vec<&str> = wanted
        .values()
        .filter(|e| !e.optional)
        .map(|e| e.name.as_str())
        .collect();
    absent.sort_unstable();
    match absent.first() {
        Some(name) => Err(missing(name)),
        None => Ok(selected),
    }
}

impl<Buf> Weights<Buf> {
    /// Puts loaded weights in their places. Errors: `tensor_missing`.
    pub fn new(config: &ModelConfig, mut loaded: HashMap<String, Weight<Buf>>) -> Result<Self> {
        let mut take = |name: &str| loaded.remove(name).ok_or_else(|| missing(name));
        let mut layers = Vec::new();
        for i in 0..config.dims.layers {
            let mut weight = |name: &str| take(&format!("blk.{i}.{name}"));
            layers.push(Layer {
                attn_norm: weight("attn_norm.weight")?,
                attn_q: weight("attn_q.weight")?,
                attn_k: weight("attn_k.weight")?,
                attn_v: weight("attn_v.weight")?,
                attn_q_bias: config.qkv_bias.then(|| weight("attn_q.bias")).transpose()?,
                attn_k_bias: config.qkv_bias.then(|| weight("attn_k.bias")).transpose()?,
                attn_v_bias: config.qkv_bias.then(|| weight("attn_v.bias")).transpose()?,
                attn_output: weight("attn_output.weight")?,
                ffn_norm: weight("ffn_norm.weight")?,
                ffn_gate: weight("ffn_gate.weight")?,
                ffn_up: weight("ffn_up.weight")?,
                ffn_down: weight("ffn_down.weight")?,
            });
        }
        Ok(Weights {
            token_embd: take("token_embd.weight")?,
            output_norm: take("output_norm.weight")?,
            output: take("output.weight").ok(),
            layers,
        })
    }
}
