//! What a model file says of its decoder: the switches of the one forward pass.

use crate::{
    Code, Error, Result,
    backend::{Activation, Dims, RopePairs},
    format::{gguf::Gguf, metadata::Metadata, quoted},
};

/// A decoder, as its architecture declares it and the file's metadata fill it in.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    pub dims: Dims,
    /// Tokens that the model was trained on at once.
    pub context_length: usize,
    pub rms_eps: f32,
    pub rope_pairs: RopePairs,
    /// Radians a position for each rotated pair, before the file's `rope_freqs` divide them.
    pub rope_frequencies: Vec<f32>,
    pub qkv_bias: bool,
    pub activation: Activation,
}

/// How an architecture differs from llama's; everything else comes from the metadata.
pub struct Architecture {
    pub rope_pairs: RopePairs,
    pub qkv_bias: bool,
    pub activation: Activation,
}

/// The largest width or count that is believed: far above any model that fits in a browser.
const MAX_WIDTH: u64 = 1 << 20;

impl ModelConfig {
    /// Reads `{architecture}.*` of the metadata. Errors: `metadata`, `tensor_missing`.
    pub fn new(architecture: &str, arch: Architecture, gguf: &Gguf) -> Result<ModelConfig> {
        let keys = Keys {
            metadata: &gguf.metadata,
            architecture,
        };
        let embedding = keys.width("embedding_length")?;
        let heads = keys.width("attention.head_count")?;
        let kv_heads = keys.opt_width("attention.head_count_kv")?.unwrap_or(heads);
        let head = match keys.opt_width("attention.key_length")? {
            Some(head) => head,
            None => embedding / heads,
        };
        let rotated = keys.opt_width("rope.dimension_count")?.unwrap_or(head);
        let vocab = gguf.tensors.iter().find(|t| t.name == "token_embd.weight").map(|t| t.rows()).ok_or_else(|| {
            Error::new(Code::TensorMissing, "The file lacks the tensor `token_embd.weight`. Download it again, or choose another model.")
        })?;
        let config = ModelConfig {
            dims: Dims {
                embedding,
                heads,
                kv_heads,
                head_dim: head,
                feed_forward: keys.width("feed_forward_length")?,
                vocab: usize::try_from(vocab)
                    .ok()
                    .filter(|&v| v <= MAX_WIDTH as usize)
                    .ok_or_else(|| keys.bad("vocabulary", vocab))?,
                layers: keys.width("block_count")?,
            },
            context_length: keys.width_up_to("context_length", 1 << 32)?,
            rms_eps: keys
                .metadata
                .f32(&keys.key("attention.layer_norm_rms_epsilon"))?,
            rope_pairs: arch.rope_pairs,
            rope_frequencies: keys.rope_frequencies(rotated)?,
            qkv_bias: arch.qkv_bias,
            activation: arch.activation,
        };
        let fits = heads % kv_heads == 0
            && head > 0
            && head % 4 == 0
            && heads.saturating_mul(head) <= MAX_WIDTH as usize
            && rotated % 2 == 0
            && rotated <= head
            && config.dims.layers <= 1024;
        if !(fits && config.rms_eps > 0.0 && config.rms_eps < 1.0) {
            return Err(Error::new(
                Code::Metadata,
                format!(
                    "The header's sizes do not fit together ({heads} heads, {kv_heads} key-value heads of {head}). TokenSampler another conversion of the model."
                ),
            ));
        }
        Ok(config)
    }
}

/// The metadata of one architecture.
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn bad(&self, name: &str, value: u64) -> Error {
        Error::new(
            Code::Metadata,
            format!(
                "`{}` is {value}, which no model that Siskin runs has. TokenSampler another conversion of the model.",
                self.key(name)
            ),
        )
    }

    fn width_up_to(&self, name: &str, max: u64) -> Result<usize> {
        let value = self.metadata.u64(&self.key(name))?;
        if value == 0 || value > max {
            Err(self.bad(name, value))
        } else {
            usize::try_from(value).or(Ok(usize::MAX))
        }
    }

    fn width(&self, name: &str) -> Result<usize> {
        self.width_up_to(name, MAX_WIDTH)
    }

    fn opt_width(&self, name: &str) -> Result<Option<usize>> {
        if self.metadata.get(&self.key(name)).is_none() {
            Ok(None)
        } else {
            self.width(name).map(Some)
        }
    }

    /// `base^(-2 i / rotated)` for each pair; linear scaling divides by its factor.
    fn rope_frequencies(&self, rotated: usize) -> Result<Vec<f32>> {
        let base = self
            .metadata
            .opt_f32(&self.key("rope.freq_base"))?
            .unwrap_or(10_000.0);
        let factor = match self.metadata.opt_str(&self.key("rope.scaling.type"))? {
            None | Some("none") => 1.0,
            Some("linear") => self.metadata.f32(&self.key("rope.scaling.factor"))?,
            Some(other) => {
                return Err(Error::new(
                    Code::Metadata,
                    format!(
                        "Rope scaling of the kind {} is not supported. TokenSampler another model.",
                        quoted(other)
                    ),
                ));
            }
        };
        if !(base.is_finite() && base > 1.0 && factor.is_finite() && factor > 0.0) {
            return Err(Error::new(
                Code::Metadata,
                format!(
                    "The rope base {base} or its factor {factor} is impossible. TokenSampler another conversion of the model."
                ),
            ));
        }
        Ok((0..rotated / 2)
            .map(|i| ((base as f64).powf(-2.0 * i as f64 / rotated as f64) / factor as f64) as f32)
            .collect())
    }
}
