//! Sorts the weights of a model by GGUF's names: which tensors the file must have, and where each
//! goes.

use super::config::ModelConfig;
use crate::{
    Code, Error, Result,
    format::{
        gguf::{Gguf, TensorInfo},
        quoted,
    },
    tensor::Weight,
};
use std::collections::HashMap;

/// Holds the weights of a model. Matrices are `[rows, cols]`, with a row for each output.
pub struct Weights<Buf> {
    /// Holds the token embeddings, `[vocab, embedding]`.
    pub token_embd: Weight<Buf>,
    /// Holds the weights of each layer.
    pub layers: Vec<Layer<Buf>>,
    /// Holds the scale of the last RMSNorm, `[embedding]`.
    pub output_norm: Weight<Buf>,
    /// Holds the output matrix (LM head), `[vocab, embedding]`. `None` where it is the token
    /// embeddings (tied).
    pub output: Option<Weight<Buf>>,
    /// Is added to the logits, `[vocab]`.
    pub output_bias: Option<Weight<Buf>>,
}

/// Holds the weights of one layer. In their shapes, `q` is short for `heads * head_dim` and `kv` for
/// `kv_heads * head_dim`.
pub struct Layer<Buf> {
    /// Scales the RMSNorm before attention, `[embedding]`.
    pub attn_norm: Weight<Buf>,
    /// Projects to queries, `[q, embedding]`.
    pub attn_q: Weight<Buf>,
    /// Projects to keys, `[kv, embedding]`.
    pub attn_k: Weight<Buf>,
    /// Projects to values, `[kv, embedding]`.
    pub attn_v: Weight<Buf>,
    /// Is added to the queries, `[q]`.
    pub attn_q_bias: Option<Weight<Buf>>,
    /// Is added to the keys, `[kv]`.
    pub attn_k_bias: Option<Weight<Buf>>,
    /// Is added to the values, `[kv]`.
    pub attn_v_bias: Option<Weight<Buf>>,
    /// Projects what attention returns, `[embedding, q]`.
    pub attn_output: Weight<Buf>,
    /// Is added to what `attn_output` returns, `[embedding]`.
    pub attn_output_bias: Option<Weight<Buf>>,
    /// Scales the RMSNorm before the feed-forward network, `[embedding]`.
    pub ffn_norm: Weight<Buf>,
    /// Projects to the gate of the feed-forward network, `[feed_forward, embedding]`.
    pub ffn_gate: Weight<Buf>,
    /// Is added to the gate, before the activation function, `[feed_forward]`.
    pub ffn_gate_bias: Option<Weight<Buf>>,
    /// Projects up in the feed-forward network, `[feed_forward, embedding]`.
    pub ffn_up: Weight<Buf>,
    /// Is added to what `ffn_up` returns, `[feed_forward]`.
    pub ffn_up_bias: Option<Weight<Buf>>,
    /// Projects down in the feed-forward network, `[embedding, feed_forward]`.
    pub ffn_down: Weight<Buf>,
    /// Is added to what `ffn_down` returns, `[embedding]`.
    pub ffn_down_bias: Option<Weight<Buf>>,
}

/// Names the tensor that divides the RoPE frequencies (llama 3's scaling). The host reads
/// this tensor, no backend does.
pub const ROPE_FREQS: &str = "rope_freqs.weight";

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
    add("output.weight".into(), vocab, embedding, true);
    add("output_norm.weight".into(), 1, embedding, false);
    add(ROPE_FREQS.into(), 1, config.rope_frequencies.len(), true);
    for i in 0..dims.layers {
        for (name, rows, cols) in [
            ("attn_norm", 1, embedding),
            ("attn_q", q, embedding),
            ("attn_k", kv, embedding),
            ("attn_v", kv, embedding),
            ("attn_output", embedding, q),
            ("ffn_norm", 1, embedding),
            ("ffn_gate", feed_forward, embedding),
            ("ffn_up", feed_forward, embedding),
            ("ffn_down", embedding, feed_forward),
        ] {
            add(format!("blk.{i}.{name}.weight"), rows, cols, false);
        }
        for (name, cols) in [("attn_q", q), ("attn_k", kv), ("attn_v", kv)] {
            let name = format!("blk.{i}.{name}.bias");
            add(name, 1, cols, !config.needs_qkv_bias);
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
    if config.optional_biases.contains(&"output") {
        add("output.bias".into(), 1, vocab, true);
    }
    list
}

fn missing(name: &str) -> Error {
    Error::new(
        Code::TensorMissing,
        format!("The file lacks the tensor `{name}`. Download it again, or choose another model."),
    )
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

/// Returns the file's tensors that the forward pass uses, in the file's order. Called with the
/// header alone, it finds a file that does not fit before its weights are downloaded.
///
/// # Errors
///
/// - `architecture` for a tensor of the model that the forward pass does not use.
/// - `tensor_missing`, `tensor_shape`.
pub fn select(config: &ModelConfig, gguf: &Gguf) -> Result<Vec<TensorInfo>> {
    let mut wanted: HashMap<String, Expected> = expected(config)
        .into_iter()
        .map(|e| (e.name.clone(), e))
        .collect();
    let mut selected = Vec::new();
    for tensor in &gguf.tensors {
        let Some(e) = wanted.remove(&tensor.name) else {
            let name = &tensor.name;
            if PART_OF_MODEL.iter().any(|begin| name.starts_with(begin)) {
                return Err(unknown(name));
            }
            continue;
        };
        if (tensor.rows(), tensor.cols()) != (e.rows as u64, e.cols as u64) {
            return Err(Error::new(
                Code::TensorShape,
                format!(
                    "The tensor `{}` is {} x {} where the header asks for {} x {}. The file is \
                     broken: choose another conversion of the model.",
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
    let absent = wanted.values().filter(|e| !e.optional);
    match absent.map(|e| e.name.as_str()).min() {
        Some(name) => Err(missing(name)),
        None => Ok(selected),
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
            let name = |tensor: &str| format!("blk.{i}.{tensor}");
            layers.push(Layer {
                attn_norm: take(&mut loaded, &name("attn_norm.weight"))?,
                attn_q: take(&mut loaded, &name("attn_q.weight"))?,
                attn_k: take(&mut loaded, &name("attn_k.weight"))?,
                attn_v: take(&mut loaded, &name("attn_v.weight"))?,
                attn_q_bias: loaded.remove(&name("attn_q.bias")),
                attn_k_bias: loaded.remove(&name("attn_k.bias")),
                attn_v_bias: loaded.remove(&name("attn_v.bias")),
                attn_output: take(&mut loaded, &name("attn_output.weight"))?,
                attn_output_bias: loaded.remove(&name("attn_output.bias")),
                ffn_norm: take(&mut loaded, &name("ffn_norm.weight"))?,
                ffn_gate: take(&mut loaded, &name("ffn_gate.weight"))?,
                ffn_gate_bias: loaded.remove(&name("ffn_gate.bias")),
                ffn_up: take(&mut loaded, &name("ffn_up.weight"))?,
                ffn_up_bias: loaded.remove(&name("ffn_up.bias")),
                ffn_down: take(&mut loaded, &name("ffn_down.weight"))?,
                ffn_down_bias: loaded.remove(&name("ffn_down.bias")),
            });
        }
        Ok(Weights {
            token_embd: take(&mut loaded, "token_embd.weight")?,
            output_norm: take(&mut loaded, "output_norm.weight")?,
            output: loaded.remove("output.weight"),
            output_bias: loaded.remove("output.bias"),
            layers,
        })
    }
}

fn take<Buf>(loaded: &mut HashMap<String, Weight<Buf>>, name: &str) -> Result<Weight<Buf>> {
    loaded.remove(name).ok_or_else(|| missing(name))
}
