//! The weights of one layer.

use super::{architecture::Norms, config::ModelConfig, layers::Mixer};
use crate::{Code, Error, tensor::Weight};
use std::collections::HashMap;

/// Names the LayerNorms of sums, in a layer and without `.weight` or `.bias`.
pub(super) const SUM_NORMS: [&str; 2] = ["attn_output_norm", "layer_output_norm"];

/// Holds the weights of one layer. In their shapes, `q` is short for `heads * head_dim` and `kv`
/// for `kv_heads * head_dim`.
pub struct Layer<Buf> {
    /// Scales the RMSNorm before the mixer, `[embedding]`.
    pub attn_norm: Option<Weight<Buf>>,
    /// Holds what mixes tokens.
    pub mixer: MixerWeights<Buf>,
    /// Scales the RMSNorm behind attention, `[embedding]`.
    pub post_attention_norm: Option<Weight<Buf>>,
    /// Scales the RMSNorm before the feed-forward network, `[embedding]`.
    pub ffn_norm: Option<Weight<Buf>>,
    /// Projects to the gate of the feed-forward network, if it has one, `[feed_forward, embedding]`.
    pub ffn_gate: Option<Weight<Buf>>,
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
    /// Scales the RMSNorm behind the feed-forward network, `[embedding]`.
    pub post_ffw_norm: Option<Weight<Buf>>,
    /// Holds what the layer does with its own input, if it has one.
    pub own_input: Option<OwnInput<Buf>>,
    /// Norm the sums behind attention and behind the feed-forward network, in an encoder.
    pub sum_norms: Option<[LayerNorm<Buf>; 2]>,
}

/// Holds the weights of what a layer does with its own input.
pub struct OwnInput<Buf> {
    /// Projects to the gate of the input, `[input, embedding]`.
    pub gate: Weight<Buf>,
    /// Projects what comes through the gate, `[embedding, input]`.
    pub proj: Weight<Buf>,
    /// Scales the RMSNorm behind that, `[embedding]`.
    pub post_norm: Weight<Buf>,
}

/// Holds the weights of a LayerNorm, two vectors of one length.
pub struct LayerNorm<Buf> {
    /// Scales what is normed.
    pub weight: Weight<Buf>,
    /// Is added then.
    pub bias: Weight<Buf>,
}

impl<Buf> LayerNorm<Buf> {
    /// Takes the weights of this name from those that were loaded.
    pub(super) fn take(loaded: &mut HashMap<String, Weight<Buf>>, name: &str) -> Self {
        Self {
            weight: take(loaded, &format!("{name}.weight")),
            bias: take(loaded, &format!("{name}.bias")),
        }
    }
}

/// Holds the weights of what mixes a layer's tokens with those before them.
pub enum MixerWeights<Buf> {
    /// Holds those of attention.
    Attention(AttentionWeights<Buf>),
    /// Holds those of a short convolution.
    ShortConv(ShortConvWeights<Buf>),
    /// Holds those of a gated DeltaNet.
    DeltaNet(DeltaNetWeights<Buf>),
}

/// Holds the weights of attention.
pub struct AttentionWeights<Buf> {
    /// Projects to queries, `[q, embedding]`, and to their gates too, `[2 * q, embedding]`, if
    /// there are any.
    pub q: Weight<Buf>,
    /// Projects to keys, `[kv, embedding]`, where the layer has keys and values of its own.
    pub k: Option<Weight<Buf>>,
    /// Projects to values, `[kv, embedding]`.
    pub v: Option<Weight<Buf>>,
    /// Is added to the queries, `[q]`.
    pub q_bias: Option<Weight<Buf>>,
    /// Is added to the keys, `[kv]`.
    pub k_bias: Option<Weight<Buf>>,
    /// Is added to the values, `[kv]`.
    pub v_bias: Option<Weight<Buf>>,
    /// Scales the RMSNorm of queries, `[head_dim]` or `[q]`.
    pub q_norm: Option<Weight<Buf>>,
    /// Scales the RMSNorm of keys, `[head_dim]` or `[kv]`.
    pub k_norm: Option<Weight<Buf>>,
    /// Scales the RMSNorm of values, `[head_dim]`.
    pub v_norm: Option<Weight<Buf>>,
    /// Projects what attention returns, `[embedding, q]`.
    pub output: Weight<Buf>,
    /// Is added to what `output` returns, `[embedding]`.
    pub output_bias: Option<Weight<Buf>>,
}

/// Holds the weights of a short convolution.
pub struct ShortConvWeights<Buf> {
    /// Projects to both gates and to what is convolved, `[3 * embedding, embedding]`.
    pub in_proj: Weight<Buf>,
    /// Holds the convolution of each channel, `[embedding, taps]`.
    pub conv: Weight<Buf>,
    /// Projects what the convolution returns, `[embedding, embedding]`.
    pub out_proj: Weight<Buf>,
}

/// Holds the weights of a gated DeltaNet.
pub struct DeltaNetWeights<Buf> {
    /// Projects to what is convolved, `[channels, embedding]`.
    pub qkv: Weight<Buf>,
    /// Projects to the gate of the result, `[values, embedding]`.
    pub gate: Weight<Buf>,
    /// Projects to how much is written, `[value_heads, embedding]`.
    pub beta: Weight<Buf>,
    /// Projects to how much stays, `[value_heads, embedding]`.
    pub alpha: Weight<Buf>,
    /// Is added to what `alpha` returns, `[value_heads]`.
    pub dt: Weight<Buf>,
    /// Holds the rates of decay, `[value_heads]`.
    pub a: Weight<Buf>,
    /// Holds the convolution of each channel, `[channels, taps]`.
    pub conv: Weight<Buf>,
    /// Scales the RMSNorm of each head's result, `[value_dim]`.
    pub out_norm: Weight<Buf>,
    /// Projects the result, `[embedding, values]`.
    pub out_proj: Weight<Buf>,
}

impl<Buf> Layer<Buf> {
    /// Takes the weights of layer `i` from those that were loaded.
    pub(super) fn new(
        config: &ModelConfig,
        i: usize,
        loaded: &mut HashMap<String, Weight<Buf>>,
    ) -> Self {
        let name = |tensor: &str| format!("blk.{i}.{tensor}");
        let layer = &config.layers[i];
        let mut of_own = |tensor: &str| match layer.shares_cache {
            true => None,
            false => Some(take(loaded, &name(tensor))),
        };
        let mixer = match layer.mixer {
            Mixer::Attention => MixerWeights::Attention(AttentionWeights {
                k: of_own("attn_k.weight"),
                v: of_own("attn_v.weight"),
                q: take(loaded, &name("attn_q.weight")),
                q_bias: loaded.remove(&name("attn_q.bias")),
                k_bias: loaded.remove(&name("attn_k.bias")),
                v_bias: loaded.remove(&name("attn_v.bias")),
                q_norm: loaded.remove(&name("attn_q_norm.weight")),
                k_norm: loaded.remove(&name("attn_k_norm.weight")),
                v_norm: loaded.remove(&value_norm(i)),
                output: take(loaded, &name("attn_output.weight")),
                output_bias: loaded.remove(&name("attn_output.bias")),
            }),
            Mixer::ShortConv => MixerWeights::ShortConv(ShortConvWeights {
                in_proj: take(loaded, &name("shortconv.in_proj.weight")),
                conv: take(loaded, &name("shortconv.conv.weight")),
                out_proj: take(loaded, &name("shortconv.out_proj.weight")),
            }),
            Mixer::DeltaNet => MixerWeights::DeltaNet(DeltaNetWeights {
                qkv: take(loaded, &name("attn_qkv.weight")),
                gate: take(loaded, &name("attn_gate.weight")),
                beta: take(loaded, &name("ssm_beta.weight")),
                alpha: take(loaded, &name("ssm_alpha.weight")),
                dt: take(loaded, &name("ssm_dt.bias")),
                a: take(loaded, &name("ssm_a")),
                conv: take(loaded, &name("ssm_conv1d.weight")),
                out_norm: take(loaded, &name("ssm_norm.weight")),
                out_proj: take(loaded, &name("ssm_out.weight")),
            }),
        };
        Layer {
            attn_norm: loaded.remove(&name("attn_norm.weight")),
            mixer,
            post_attention_norm: loaded.remove(&name("post_attention_norm.weight")),
            ffn_norm: loaded.remove(&name("ffn_norm.weight")),
            post_ffw_norm: loaded.remove(&name("post_ffw_norm.weight")),
            ffn_gate: match config.has_gate() {
                true => Some(take(loaded, &name("ffn_gate.weight"))),
                false => None,
            },
            ffn_gate_bias: loaded.remove(&name("ffn_gate.bias")),
            ffn_up: take(loaded, &name("ffn_up.weight")),
            ffn_up_bias: loaded.remove(&name("ffn_up.bias")),
            ffn_down: take(loaded, &name("ffn_down.weight")),
            ffn_down_bias: loaded.remove(&name("ffn_down.bias")),
            own_input: match config.dims.layer_input {
                0 => None,
                _ => Some(OwnInput {
                    gate: take(loaded, &name("inp_gate.weight")),
                    proj: take(loaded, &name("proj.weight")),
                    post_norm: take(loaded, &name("post_norm.weight")),
                }),
            },
            sum_norms: match config.norms {
                Norms::OfSums => Some([
                    LayerNorm::take(loaded, &name(SUM_NORMS[0])),
                    LayerNorm::take(loaded, &name(SUM_NORMS[1])),
                ]),
                _ => None,
            },
        }
    }
}

/// Names the norm of values, which no file has: its weights are ones.
pub fn value_norm(layer: usize) -> String {
    format!("blk.{layer}.attn_v_norm.weight")
}

/// Removes a weight that a model must have from those that were loaded.
///
/// # Panics
///
/// Where it was not loaded, which [`super::weights::Weights::new`] has checked.
pub(super) fn take<Buf>(loaded: &mut HashMap<String, Weight<Buf>>, name: &str) -> Weight<Buf> {
    loaded
        .remove(name)
        .expect("what a model must have is there")
}

/// Returns the error for a tensor that the file lacks.
pub(super) fn missing(name: &str) -> Error {
    Error::new(
        Code::TensorMissing,
        format!("The file lacks the tensor `{name}`. Download it again, or choose another model."),
    )
}
