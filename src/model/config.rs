//! Reads the shape of a model and the switches of the forward pass from its file.

use crate::{
    Code, Error, Result,
    backend::{Activation, Dims, RopePairs},
    format::{
        gguf::Gguf,
        metadata::{Metadata, Value},
        quoted,
    },
};

/// Holds the hyperparameters of a model, from its architecture and its file's metadata.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// Holds the sizes of the model.
    pub dims: Dims,
    /// Holds the length of the context, in tokens, that the model was trained on.
    pub context_length: usize,
    /// Holds the epsilon of RMSNorm.
    pub rms_eps: f32,
    /// Tells which elements of a head RoPE rotates together.
    pub rope_pairs: RopePairs,
    /// Holds the angles in radians by which RoPE rotates each pair per position, before the tensor
    /// `rope_freqs` divides them.
    pub rope_frequencies: Vec<f32>,
    /// Tells whether the file must have biases of q, k and v. Where it need not, those that it has
    /// are added all the same.
    pub needs_qkv_bias: bool,
    /// Names the other matrices whose bias is added where the file has one.
    pub optional_biases: &'static [&'static str],
    /// Names the activation function of the feed-forward network.
    pub activation: Activation,
}

/// Tells how an architecture differs from llama's. All else comes from the metadata.
pub struct Architecture {
    /// Tells which elements of a head RoPE rotates together.
    pub rope_pairs: RopePairs,
    /// Tells whether a file without biases of q, k and v is broken.
    pub needs_qkv_bias: bool,
    /// Names the other matrices that may have a bias, as GGUF does but without the layer:
    /// "ffn_up", "output".
    pub optional_biases: &'static [&'static str],
    /// Names the activation function of the feed-forward network.
    pub activation: Activation,
}

/// Limits the dimensions and counts that are accepted: far above any model that fits in a browser.
const MAX_DIM: u64 = 1 << 20;

impl ModelConfig {
    /// Reads the metadata under `{architecture}.*`.
    ///
    /// # Errors
    ///
    /// - `metadata` for a value that is missing, of the wrong type or out of range.
    /// - `architecture` for layers of different sizes.
    /// - `tensor_missing` without the token embeddings, whose rows are the vocabulary.
    pub fn new(architecture: &str, arch: Architecture, gguf: &Gguf) -> Result<ModelConfig> {
        let keys = Keys {
            metadata: &gguf.metadata,
            architecture,
        };
        let embedding = keys.dim("embedding_length")?;
        let layers = keys.dim("block_count")?;
        let heads = keys.layer_dim("attention.head_count", layers)?;
        let kv_heads = match keys.has("attention.head_count_kv") {
            true => keys.layer_dim("attention.head_count_kv", layers)?,
            false => heads,
        };
        let head_dim = keys
            .opt_dim("attention.key_length")?
            .unwrap_or(embedding / heads);
        let rope_dim = keys.opt_dim("rope.dimension_count")?.unwrap_or(head_dim);
        let token_embd = gguf
            .tensors
            .iter()
            .find(|tensor| tensor.name == "token_embd.weight");
        let vocab = token_embd.map(|tensor| tensor.rows()).ok_or_else(|| {
            Error::new(
                Code::TensorMissing,
                "The file lacks the tensor `token_embd.weight`. Download it again, or choose \
                 another model.",
            )
        })?;
        let config = ModelConfig {
            dims: Dims {
                embedding,
                heads,
                kv_heads,
                head_dim,
                feed_forward: keys.layer_dim("feed_forward_length", layers)?,
                vocab: usize::try_from(vocab)
                    .ok()
                    .filter(|&v| v <= MAX_DIM as usize)
                    .ok_or_else(|| keys.bad("vocabulary", vocab))?,
                layers,
            },
            context_length: keys.count_up_to("context_length", 1 << 32)?,
            rms_eps: keys
                .metadata
                .f32(&keys.key("attention.layer_norm_rms_epsilon"))?,
            rope_pairs: arch.rope_pairs,
            rope_frequencies: keys.rope_frequencies(rope_dim)?,
            needs_qkv_bias: arch.needs_qkv_bias,
            optional_biases: arch.optional_biases,
            activation: arch.activation,
        };
        let fits = heads % kv_heads == 0
            && head_dim > 0
            && head_dim % 4 == 0
            && heads.saturating_mul(head_dim) <= MAX_DIM as usize
            && rope_dim % 2 == 0
            && rope_dim <= head_dim
            && config.dims.layers <= 1024;
        if !(fits && config.rms_eps > 0.0 && config.rms_eps < 1.0) {
            return Err(Error::new(
                Code::Metadata,
                format!(
                    "The header's sizes do not fit together ({heads} heads, {kv_heads} key-value \
                     heads of {head_dim}). Choose another conversion of the model."
                ),
            ));
        }
        Ok(config)
    }
}

/// Reads the metadata under the prefix of one architecture.
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl Keys<'_> {
    /// Returns the whole key of `name`: "llama.block_count".
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// Returns the error for a value out of range.
    fn bad(&self, name: &str, value: u64) -> Error {
        Error::new(
            Code::Metadata,
            format!(
                "`{}` is {value}, which no model that Siskin runs has. Choose another conversion \
                 of the model.",
                self.key(name)
            ),
        )
    }

    /// Returns a count from 1 to `max`.
    fn count_up_to(&self, name: &str, max: u64) -> Result<usize> {
        self.in_range(name, self.metadata.u64(&self.key(name))?, max)
    }

    /// Returns `value`, which the key of `name` has, if it is from 1 to `max`.
    fn in_range(&self, name: &str, value: u64, max: u64) -> Result<usize> {
        if value == 0 || value > max {
            Err(self.bad(name, value))
        } else {
            usize::try_from(value).or(Ok(usize::MAX))
        }
    }

    /// Returns a dimension of the model.
    fn dim(&self, name: &str) -> Result<usize> {
        self.count_up_to(name, MAX_DIM)
    }

    /// Returns whether the file has a value of this name.
    fn has(&self, name: &str) -> bool {
        self.metadata.get(&self.key(name)).is_some()
    }

    /// Returns a dimension of the model, or `None` where the file does not have it.
    fn opt_dim(&self, name: &str) -> Result<Option<usize>> {
        match self.has(name) {
            true => self.dim(name).map(Some),
            false => Ok(None),
        }
    }

    /// Returns a dimension of every layer, which a file gives once or as an array of one number a
    /// layer.
    ///
    /// # Errors
    ///
    /// - `metadata` as for other dimensions, and for an array of another length.
    /// - `architecture` where the layers differ.
    fn layer_dim(&self, name: &str, layers: usize) -> Result<usize> {
        let key = self.key(name);
        let Some(numbers) = self.metadata.get(&key).and_then(Value::as_integers) else {
            return self.dim(name);
        };
        if numbers.len() != layers {
            return Err(Error::new(
                Code::Metadata,
                format!(
                    "`{key}` has {} numbers for {layers} layers. Choose another conversion of the \
                     model.",
                    numbers.len()
                ),
            ));
        }
        let first = numbers.first().copied().unwrap_or_default();
        if let Some(other) = numbers.iter().find(|&&number| number != first) {
            return Err(Error::new(
                Code::Architecture,
                format!(
                    "The layers differ in `{key}`, which is {first} in one and {other} in another; \
                     such models are not supported. Choose another model."
                ),
            ));
        }
        self.in_range(name, first, MAX_DIM)
    }

    /// Computes `base^(-2 i / rope_dim) / factor` for each pair `i`, by the factor of linear
    /// scaling.
    ///
    /// As in llama.cpp (`load_hparams`), a file that does not name the kind of scaling means the
    /// linear kind, no factor, or 0, means 1, and `rope.scale_linear` is the factor's old key.
    fn rope_frequencies(&self, rope_dim: usize) -> Result<Vec<f32>> {
        let base = self
            .metadata
            .opt_f32(&self.key("rope.freq_base"))?
            .unwrap_or(10_000.0);
        let factor = match self.metadata.opt_str(&self.key("rope.scaling.type"))? {
            Some("none") => 1.0,
            None | Some("linear") => {
                let factor = |name| self.metadata.opt_f32(&self.key(name));
                match factor("rope.scaling.factor")? {
                    Some(factor) => Some(factor),
                    None => factor("rope.scale_linear")?,
                }
                .filter(|&factor| factor != 0.0)
                .unwrap_or(1.0)
            }
            Some(other) => {
                return Err(Error::new(
                    Code::Metadata,
                    format!(
                        "Rope scaling of the kind {} is not supported. Choose another model.",
                        quoted(other)
                    ),
                ));
            }
        };
        if !(base.is_finite() && base > 1.0 && factor.is_finite() && factor > 0.0) {
            return Err(Error::new(
                Code::Metadata,
                format!(
                    "The rope base {base} or its factor {factor} is impossible. Choose another \
                     conversion of the model."
                ),
            ));
        }
        let (base, factor) = (f64::from(base), f64::from(factor));
        Ok((0..rope_dim / 2)
            .map(|i| (base.powf(-2.0 * i as f64 / rope_dim as f64) / factor) as f32)
            .collect())
    }
}
