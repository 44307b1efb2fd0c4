//! Tensors of a file that the forward pass reads by another name, in parts, or not at all.

use super::config::ModelConfig;
use crate::format::gguf::TensorInfo;

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

/// Returns whether a tensor is one of the projections that a layer does without which shares the
/// keys and values of another: files have them all the same.
pub(crate) fn is_idle(config: &ModelConfig, name: &str) -> bool {
    let of_layer = name.strip_prefix("blk.").and_then(|it| it.split_once('.'));
    let Some((layer, name)) = of_layer else {
        return false;
    };
    let layer = layer.parse().ok().and_then(|i: usize| config.layers.get(i));
    let idle = ["attn_k.", "attn_v.", "attn_k_norm."];
    layer.is_some_and(|it| it.shares_cache) && idle.iter().any(|it| name.starts_with(it))
}
