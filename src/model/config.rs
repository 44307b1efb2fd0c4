//! Reads the shape of a model and the switches of the forward pass from its file.

use super::{
    architecture::{Architecture, Norms, QkNorm},
    encoder::EncoderConfig,
    keys::{Keys, MAX_DIM},
    layers::{self, LayerConfig, LayerSizes, Mixer},
    pooling::Pooling,
    reach::{Reach, STEP_TOKENS},
    rope::{self, LayerRope, ROPE_FACTORS, ROPE_FREQS},
};
use crate::{
    Code, Error, Result,
    backend::{Activation, Attention, CacheSize, DeltaDims, Dims, LogitScale, RopePairs},
    format::gguf::Gguf,
};

/// Limits the layers, for what differs between them takes time by their square.
const MAX_LAYERS: u64 = 1024;

/// Limits the positions that a short convolution sees. Models have 3.
const MAX_CONV_TAPS: u64 = 8;

/// Holds the hyperparameters of a model, from its architecture and its file's metadata.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// Holds the sizes of the model.
    pub dims: Dims,
    /// Holds the length of the context, in tokens, that the model was trained on.
    pub context_length: usize,
    /// Holds the epsilon of norms. Where an architecture scales what is added to the residual
    /// stream, the stream is kept divided by that scale, and this is divided by its square.
    pub rms_eps: f32,
    /// Multiplies the token embeddings.
    pub embedding_scale: f32,
    /// Tells what becomes of the LM head's products.
    pub logit_scale: LogitScale,
    /// Tells how each layer attends, and which rope it has.
    pub layers: Vec<LayerConfig>,
    /// Counts the positions that a short convolution sees; 0 where no layer has one.
    pub conv_taps: usize,
    /// Tells which elements of a head RoPE rotates together.
    pub rope_pairs: RopePairs,
    /// Holds the angles in radians by which RoPE rotates each pair per position, before the tensor
    /// of [`ModelConfig::rope_divisors`] divides them.
    pub rope_frequencies: Vec<f32>,
    /// Holds those of layers that have a rope of their own, `LayerRope::Local`.
    pub local_rope_frequencies: Vec<f32>,
    /// Multiplies what RoPE rotates, but for the local one.
    pub rope_scale: f32,
    /// Holds the context from which on LongRoPE's long factors divide the frequencies, and not its
    /// short ones. `None` where there are no such factors.
    pub long_rope_from: Option<usize>,
    /// Tells whether the file must have biases of q, k and v. Where it need not, those that it has
    /// are added all the same.
    pub needs_qkv_bias: bool,
    /// Names the other matrices whose bias is added where the file has one.
    pub optional_biases: &'static [&'static str],
    /// Names the activation function of the feed-forward network.
    pub activation: Activation,
    /// Tells where the norms are.
    pub norms: Norms,
    /// Tells which norms queries and keys have.
    pub qk_norm: QkNorm,
    /// Tells whether values are normed, each head by itself and with a weight of ones.
    pub norms_values: bool,
    /// Tells whether layers may scale what they return.
    pub scales_layers: bool,
    /// Tells whether q, k and v are one tensor in the file, and gate and up another.
    pub is_fused: bool,
    /// Tells which states the embedding of a text is made of.
    pub pooling: Pooling,
    /// Holds the switches of an encoder; `None` for all other models.
    pub encoder: Option<EncoderConfig>,
}

impl ModelConfig {
    /// Returns the name of the tensor that divides the RoPE frequencies in a context of this length,
    /// if the file has it.
    pub fn rope_divisors(&self, context_tokens: usize) -> &'static str {
        match self.long_rope_from {
            Some(original) => ROPE_FACTORS[usize::from(context_tokens <= original)],
            None => ROPE_FREQS,
        }
    }

    /// Returns the size of a KV cache for `context_tokens` tokens: layers whose tokens see a window
    /// have room for it, and for some positions more.
    pub fn cache_size(&self, context_tokens: usize) -> CacheSize {
        let reach = self.reach(context_tokens);
        reach.cache_size(self.attentions(), context_tokens)
    }

    /// Returns how far back a KV cache for `context_tokens` tokens reaches.
    pub(super) fn reach(&self, context_tokens: usize) -> Reach {
        let has_state = |layer: &&LayerConfig| layer.mixer == Mixer::DeltaNet;
        let state_layers = self.layers.iter().filter(has_state).count();
        // A step of an encoder needs all positions of a text, whatever its tokens see.
        let windowed = self.attentions().filter(|attention| attention.is_causal);
        Reach::new(windowed, context_tokens).with_states(state_layers)
    }

    /// Returns whether the feed-forward network has a gate.
    pub(super) fn has_gate(&self) -> bool {
        let encoder = self.encoder.as_ref();
        encoder.is_none_or(|encoder| encoder.parts.has_gate)
    }

    /// Returns the most tokens of one step, in a context of `context_tokens`: all of it in an
    /// encoder, whose tokens see those behind them.
    pub fn step_tokens(&self, context_tokens: usize) -> usize {
        match self.encoder {
            Some(_) => context_tokens,
            None => STEP_TOKENS,
        }
    }

    /// Returns the bytes that a text of `context_tokens` takes of an encoder beside a step's
    /// activations, since it comes whole: the hidden states that are read, and the sines and
    /// cosines of its positions. A decoder's steps are short, and theirs are not counted.
    pub fn text_bytes(&self, context_tokens: usize) -> u64 {
        if self.encoder.is_none() {
            return 0;
        }
        let has = |rope| self.layers.iter().any(|layer| layer.rope == rope);
        let mut numbers = self.dims.embedding;
        for (rope, frequencies) in [
            (LayerRope::Global, &self.rope_frequencies),
            (LayerRope::Local, &self.local_rope_frequencies),
        ] {
            numbers += if has(rope) { 2 * frequencies.len() } else { 0 };
        }
        (context_tokens as u64).saturating_mul((numbers * size_of::<f32>()) as u64)
    }

    /// Returns how each layer attends, in the order in which the cache has them: those that have a
    /// convolution come last, as if they attended to every position. Those that have a state, of
    /// which there are none then, are left out, and so are those that share keys and values.
    pub(super) fn attentions(&self) -> impl Iterator<Item = &Attention> {
        let is_of = |layer: &LayerConfig, mixer| layer.mixer == mixer && !layer.shares_cache;
        let of = |mixer| self.layers.iter().filter(move |layer| is_of(layer, mixer));
        let layers = of(Mixer::Attention).chain(of(Mixer::ShortConv));
        layers.map(|layer| &layer.attention)
    }

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
        let layers = keys.count_up_to("block_count", MAX_LAYERS)?;
        let heads = keys.layer_dim("attention.head_count", layers)?;
        let kv_key = "attention.head_count_kv";
        let is_hybrid = arch.has_short_convs || arch.has_delta_nets;
        let (kv_heads, mut attends) = match (keys.has(kv_key), is_hybrid) {
            (true, true) => keys.some_layers_dim(kv_key, layers)?,
            (true, false) => (keys.layer_dim(kv_key, layers)?, vec![true; layers]),
            (false, _) => (heads, vec![true; layers]),
        };
        let delta = match arch.has_delta_nets {
            true => Some(delta_dims(&keys, layers)?),
            false => None,
        };
        if arch.has_delta_nets {
            let every = keys.opt_dim("full_attention_interval")?.unwrap_or(4);
            attends = (1..=layers).map(|n| n % every == 0).collect();
        }
        let head_dim = keys
            .opt_dim("attention.key_length")?
            .unwrap_or(embedding / heads);
        let rope_dim = keys.opt_dim("rope.dimension_count")?.unwrap_or(head_dim);
        let local_head_dim = match arch.layers_differ {
            true => keys.opt_dim("attention.key_length_swa")?,
            false => None,
        };
        let local_head_dim = local_head_dim.unwrap_or(head_dim);
        let sizes = LayerSizes {
            head_dim,
            local_head_dim,
            embedding_dim: embedding / heads,
            feed_forward: match arch.layers_differ {
                true => keys.layer_dims("feed_forward_length", layers)?,
                false => vec![keys.layer_dim("feed_forward_length", layers)?; layers],
            },
        };
        let layer_configs = layers::read(&keys, &arch, &attends, &sizes)?;
        let (local_base, local_rope_dim) = rope::local(&keys, &arch, local_head_dim, rope_dim)?;
        let layer_input = match arch.layers_differ && keys.has(LAYER_INPUT) {
            // Models without such embeddings have a length of 0.
            true if keys.metadata.u64(&keys.key(LAYER_INPUT))? > 0 => keys.dim(LAYER_INPUT)?,
            _ => 0,
        };
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
        let rope = rope::read(&keys, &arch, rope_dim)?;
        let mut config = ModelConfig {
            dims: Dims {
                embedding,
                heads,
                kv_heads,
                head_dim: head_dim.max(local_head_dim),
                head_dims: match arch.layers_differ {
                    true => layers::cached_head_dims(&layer_configs),
                    false => Vec::new(),
                },
                feed_forward: sizes.feed_forward.iter().copied().max().unwrap_or(0),
                vocab: usize::try_from(vocab)
                    .ok()
                    .filter(|&v| v <= MAX_DIM as usize)
                    .ok_or_else(|| keys.bad("vocabulary", vocab))?,
                layers,
                conv_layers: attends.iter().filter(|&&attends| !attends).count(),
                delta,
                layer_input,
            },
            context_length: context_length(&keys)?,
            rms_eps: keys.metadata.f32(&keys.key(match arch.norms {
                Norms::OfSums => "attention.layer_norm_epsilon",
                _ => "attention.layer_norm_rms_epsilon",
            }))?,
            embedding_scale: match arch.scales_embedding {
                true => (embedding as f32).sqrt(),
                false => 1.0,
            },
            logit_scale: LogitScale {
                scale: 1.0,
                softcap: keys.scale("final_logit_softcapping", arch.final_softcap)?,
            },
            layers: layer_configs,
            conv_taps: match arch.has_short_convs {
                true => keys.count_up_to("shortconv.l_cache", MAX_CONV_TAPS)?,
                false => 0,
            },
            rope_pairs: arch.rope_pairs,
            rope_frequencies: rope.frequencies,
            local_rope_frequencies: rope::plain(local_base, local_rope_dim),
            rope_scale: rope.scale,
            long_rope_from: rope.long_from,
            norms: arch.norms,
            qk_norm: arch.qk_norm,
            norms_values: arch.norms_values,
            scales_layers: arch.layers_differ,
            is_fused: arch.is_fused,
            needs_qkv_bias: arch.needs_qkv_bias,
            optional_biases: arch.optional_biases,
            activation: arch.activation,
            pooling: Pooling::read(&keys, arch.encoder.is_some())?,
            encoder: match arch.encoder {
                Some(parts) => Some(EncoderConfig::new(parts, &keys, gguf)?),
                None => None,
            },
        };
        if arch.has_scales {
            add_scales(&keys, &mut config)?;
        }
        let value_dims = [
            (keys.opt_dim("attention.value_length")?, head_dim),
            (keys.opt_dim("attention.value_length_swa")?, local_head_dim),
        ];
        let fits = value_dims
            .iter()
            .all(|&(it, dim)| it.is_none_or(|it| it == dim))
            && heads % kv_heads == 0
            && [(head_dim, rope_dim), (local_head_dim, local_rope_dim)]
                .iter()
                .all(|&(dim, rotated)| head_fits(dim, rotated))
            && heads.saturating_mul(config.dims.head_dim) <= MAX_DIM as usize
            && layers.saturating_mul(layer_input) <= MAX_DIM as usize;
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

/// Names the key of the length of what each layer takes beside the residual stream.
const LAYER_INPUT: &str = "embedding_length_per_layer_input";

/// Returns whether heads may have this length, of which so much is rotated.
fn head_fits(head_dim: usize, rotated: usize) -> bool {
    head_dim > 0 && head_dim.is_multiple_of(4) && rotated.is_multiple_of(2) && rotated <= head_dim
}

/// Limits the numbers of one state of all layers, so that a slot's can be counted with 32 bits. A
/// model of 4B parameters has a fifth of them.
const MAX_STATE: usize = 1 << 26;

/// Reads the dimensions of gated DeltaNets.
fn delta_dims(keys: &Keys<'_>, layers: usize) -> Result<DeltaDims> {
    let (values, value_heads) = (keys.dim("ssm.inner_size")?, keys.dim("ssm.time_step_rank")?);
    let delta = DeltaDims {
        taps: keys.count_up_to("ssm.conv_kernel", MAX_CONV_TAPS)?,
        key_heads: keys.dim("ssm.group_count")?,
        value_heads,
        key_dim: keys.dim("ssm.state_size")?,
        value_dim: values / value_heads,
    };
    let keys_of_token = delta.key_heads.saturating_mul(delta.key_dim);
    let fits = delta.values() == values
        && value_heads % delta.key_heads == 0
        && keys_of_token <= MAX_DIM as usize
        && values.saturating_mul(delta.key_dim) <= MAX_DIM as usize
        && delta.state().saturating_mul(layers) <= MAX_STATE;
    match fits {
        true => Ok(delta),
        false => Err(keys.bad("ssm.inner_size", values as u64)),
    }
}

/// Reads the length of the context. Where queries behind the original one would have to be scaled
/// by their positions, it ends there.
fn context_length(keys: &Keys<'_>) -> Result<usize> {
    let length = keys.count_up_to("context_length", 1 << 32)?;
    if keys.scale("attention.temperature_scale", 0.0)? == 0.0 {
        return Ok(length);
    }
    let original = keys.count_up_to("rope.scaling.original_context_length", 1 << 32)?;
    Ok(length.min(original))
}

/// Reads the scales that Granite has.
fn add_scales(keys: &Keys<'_>, config: &mut ModelConfig) -> Result<()> {
    let scale = |name| match keys.scale(name, 1.0)? {
        0.0 => Err(keys.bad(name, 0)),
        scale => Ok(scale),
    };
    // Norms do not see the size of what they take, but for epsilon.
    let residual = scale("residual_scale")?;
    config.embedding_scale = scale("embedding_scale")? / residual;
    config.rms_eps /= residual * residual;
    config.logit_scale.scale = 1.0 / scale("logit_scale")?;
    if keys.has("attention.scale") {
        let scale = scale("attention.scale")?;
        config
            .layers
            .iter_mut()
            .for_each(|layer| layer.attention.scale = scale);
    }
    Ok(())
}
