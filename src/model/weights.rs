//! Sorts the weights of a model by GGUF's names: which tensors a model has, and where each goes.

use super::{
    architecture::{Norms, QkNorm},
    config::ModelConfig,
    encoder::INPUT_NORM,
    encoder_weights::{EncoderInput, expected_of_encoder, take_dense},
    layer_inputs::{self, HostTable, LayerInputWeights},
    layer_weights::{Layer, SUM_NORMS, missing, take},
    layers::Mixer,
    rope::{ROPE_FACTORS, ROPE_FREQS},
};
use crate::{Result, tensor::Weight};
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
    /// Holds the scale of the last RMSNorm, `[embedding]`, which encoders with LayerNorms lack.
    pub output_norm: Option<Weight<Buf>>,
    /// Holds the output matrix (LM head), `[vocab, embedding]`. `None` where it is the token
    /// embeddings (tied).
    pub output: Option<Weight<Buf>>,
    /// Is added to the logits, `[vocab]`.
    pub output_bias: Option<Weight<Buf>>,
    /// Holds the matrices that an embedding goes through behind the pooling.
    pub dense: Vec<Weight<Buf>>,
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
            for (name, rows, cols, optional) in expected_of_encoder(config, encoder) {
                add(name, rows, cols, optional);
            }
        }
        None => add("output.weight".into(), vocab, embedding, true),
    }
    match config.norms {
        Norms::OfSums => layer_norms.push(INPUT_NORM.to_owned()),
        _ => add("output_norm.weight".into(), 1, embedding, false),
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

/// Names what multiplies the output of a layer.
pub const OUTPUT_SCALE: &str = "layer_output_scale.weight";

/// Returns whether the host reads a tensor, and no backend.
pub fn is_on_host(name: &str) -> bool {
    name == ROPE_FREQS
        || ROPE_FACTORS.contains(&name)
        || name == layer_inputs::TABLE
        || name.ends_with(OUTPUT_SCALE)
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
        // All at once: each error among what was taken already would be code of its own.
        let is_missing = |it: &&Expected| {
            !(it.optional || is_on_host(&it.name) || loaded.contains_key(&it.name))
        };
        if let Some(it) = expected(config).iter().find(is_missing) {
            return Err(missing(&it.name));
        }
        let mut layers = Vec::new();
        for i in 0..config.dims.layers {
            layers.push(Layer::new(config, i, &mut loaded));
        }
        Ok(Weights {
            token_embd: take(&mut loaded, "token_embd.weight"),
            encoder_input: EncoderInput::take(config, &mut loaded),
            layer_inputs: match config.dims.layer_input {
                0 => None,
                _ => Some(LayerInputWeights::new(&mut loaded, table)),
            },
            output_norm: match config.norms {
                Norms::OfSums => None,
                _ => Some(take(&mut loaded, "output_norm.weight")),
            },
            output: loaded.remove("output.weight"),
            output_bias: loaded.remove("output.bias"),
            dense: take_dense(config, &mut loaded),
            layers,
        })
    }
}
