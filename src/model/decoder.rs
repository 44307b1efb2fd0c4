//! Holds a loaded model, and evaluates tokens: `forward.rs` records the steps.

use super::{
    config::ModelConfig, decode_ahead::DecodeAhead, encoder::writes_no_text, memory::StepMemory,
    reach::STEP_TOKENS, slots::Slots, weights::Weights,
};
use crate::{
    Code, Error, Result,
    backend::{Backend, Rope, Rows},
};

/// Holds a loaded model with its slots: KV caches, one of which is in use.
///
/// ```
/// # pollster::block_on(async {
/// use siskin::{
///     backend::cpu::Cpu,
///     loader::{Loader, Options},
///     text::tokenizer::Special,
/// };
///
/// let mut loader = Loader::new(Cpu::default(), Options::default());
/// loader.push(&std::fs::read("tests/fixtures/models/chat-tiny.gguf")?)?;
/// let loaded = loader.finish()?;
/// let (mut model, tokenizer) = (loaded.model, loaded.tokenizer);
/// let tokens = tokenizer.encode("Once upon a time", Special::Plain);
/// let mut logits = Vec::new();
/// model.forward(&tokens, Some(&mut logits)).await?;
/// assert_eq!(logits.len(), model.vocab_size());
/// assert_eq!(model.cached_tokens(), tokens.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Model<B: Backend> {
    /// Holds the model's shape and switches.
    pub config: ModelConfig,
    /// Holds the weights, and computes.
    pub backend: B,
    pub(super) weights: Weights<B::Buf>,
    /// Holds the ropes of layers, by `LayerRope`.
    pub(super) ropes: [Rope; 3],
    pub(super) slots: Slots<B::Cache>,
    pub(super) step: B::Step,
    pub(super) context_tokens: usize,
    pub(super) ahead: DecodeAhead,
    /// Counts the adapters that weights have changes of.
    pub(super) adapters: usize,
    interrupted: Option<InterruptedStep>,
    /// Holds the logits that the host samples from, `[vocab]`.
    pub(super) logits: Vec<f32>,
}

/// Tells what a step evaluates.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    /// The step evaluates these tokens.
    Tokens(&'a [u32]),
    /// The step evaluates the token that the step before sampled on the device.
    Sampled,
    /// The step continues with the activations that an interrupted one left.
    Interrupted,
}

/// Never pauses a step. It has a name so that recording is compiled once for all such steps.
pub(super) fn never() -> bool {
    false
}

/// Holds a step that was interrupted between two layers.
struct InterruptedStep {
    tokens: Vec<u32>,
    layers_done: usize,
}

impl<B: Backend> Model<B> {
    /// Makes a model of loaded weights, with one slot for `context_tokens` tokens. `rope_freqs`
    /// divides the RoPE frequencies of the config, if the file has that tensor.
    ///
    /// # Errors
    ///
    /// `out_of_memory`, or those of the GPU.
    pub fn new(
        config: ModelConfig,
        mut backend: B,
        weights: Weights<B::Buf>,
        rope_freqs: Option<&[f32]>,
        context_tokens: usize,
    ) -> Result<Self> {
        let memory = StepMemory::new(&mut backend, &config, context_tokens, 1)?;
        Ok(Self::with_memory(
            config, backend, weights, rope_freqs, memory,
        ))
    }

    /// Makes a model of loaded weights, as [`Model::new`], in memory that was allocated before.
    pub fn with_memory(
        config: ModelConfig,
        backend: B,
        weights: Weights<B::Buf>,
        rope_freqs: Option<&[f32]>,
        memory: StepMemory<B>,
    ) -> Self {
        let mut frequencies = config.rope_frequencies.clone();
        for (frequency, divisor) in frequencies.iter_mut().zip(rope_freqs.unwrap_or_default()) {
            *frequency /= divisor;
        }
        let rope = |frequencies: &[f32], scale| Rope {
            pairs: config.rope_pairs,
            frequencies: frequencies.into(),
            scale,
        };
        let ropes = [
            rope(&frequencies, config.rope_scale),
            rope(&config.local_rope_frequencies, 1.0),
            rope(&[], 1.0),
        ];
        let StepMemory {
            slots,
            step,
            context_tokens,
        } = memory;
        Model {
            config,
            backend,
            weights,
            ropes,
            slots,
            step,
            context_tokens,
            ahead: DecodeAhead::default(),
            adapters: 0,
            interrupted: None,
            logits: Vec::new(),
        }
    }

    /// Returns the number of tokens in the vocabulary, which is the length of `logits`.
    pub fn vocab_size(&self) -> usize {
        self.config.dims.vocab
    }

    /// Returns the number of tokens that the KV cache of a slot can hold.
    pub fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    /// Returns the number of tokens in the KV cache of the slot in use.
    pub fn cached_tokens(&self) -> usize {
        self.slots.current().tokens.len()
    }

    /// Forgets the steps that are under way, for the cache is not what they go on from any more.
    pub(super) fn forget_steps(&mut self) {
        self.ahead.end();
        self.interrupted = None;
    }

    /// Appends `tokens` to the KV cache. With `logits`, writes there the logits after the last of
    /// them, `[vocab]`.
    ///
    /// # Errors
    ///
    /// - `context_full` when the tokens do not fit the KV cache.
    /// - `invalid_argument` when there are no tokens, or one is outside the vocabulary.
    /// - `not_finite` when a logit is NaN or infinite.
    /// - Those of the GPU.
    pub async fn forward(&mut self, tokens: &[u32], logits: Option<&mut Vec<f32>>) -> Result<()> {
        self.check_decodes()?;
        self.check(tokens)?;
        let last = (tokens.len() - 1) / STEP_TOKENS;
        self.interrupted = None;
        for (i, tokens) in tokens.chunks(STEP_TOKENS).enumerate() {
            let wanted = logits.is_some() && i == last;
            self.append(tokens, wanted.then_some(Rows::Last), &mut never);
            if !wanted {
                self.backend.submit(&mut self.step).await?;
            }
        }
        if let Some(logits) = logits {
            self.read(logits).await?;
        }
        Ok(())
    }

    /// Appends `tokens`, at most [`STEP_TOKENS`], to the KV cache. Writes the logits after every
    /// token to `logits`, `[tokens, vocab]`.
    ///
    /// # Errors
    ///
    /// As [`Model::forward`].
    pub async fn forward_all(&mut self, tokens: &[u32], logits: &mut Vec<f32>) -> Result<()> {
        self.interrupted = None;
        self.step_all(tokens, logits, &mut never).await.map(drop)
    }

    /// Returns whether the model is an encoder, which makes embeddings and writes no text.
    pub fn is_encoder(&self) -> bool {
        self.config.encoder.is_some()
    }

    fn check_decodes(&self) -> Result<()> {
        match self.is_encoder() {
            true => Err(writes_no_text()),
            false => Ok(()),
        }
    }

    /// Checks the tokens of one step, from which the text goes on.
    pub(super) fn check_step(&self, tokens: &[u32]) -> Result<()> {
        self.check_decodes()?;
        if tokens.len() > STEP_TOKENS {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("A step takes at most {STEP_TOKENS} tokens; pass fewer."),
            ));
        }
        self.check(tokens)
    }

    /// Checks that there are tokens, that the vocabulary has them, and that they fit the KV cache.
    pub(super) fn check(&self, tokens: &[u32]) -> Result<()> {
        if tokens.is_empty() {
            return Err(Error::new(
                Code::InvalidArgument,
                "There are no tokens to run; give at least one.",
            ));
        }
        self.check_tokens(tokens, self.cached_tokens())
    }

    /// Checks that the vocabulary has the tokens, and that they fit behind `cached_tokens` others.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, `context_full`.
    pub fn check_tokens(&self, tokens: &[u32], cached_tokens: usize) -> Result<()> {
        if let Some(bad) = tokens.iter().find(|&&t| t as usize >= self.vocab_size()) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!(
                    "Token {bad} is outside the vocabulary of {} tokens; use ids that this model's \
                     tokenizer gave.",
                    self.vocab_size()
                ),
            ));
        }
        let (needed, context) = (cached_tokens + tokens.len(), self.context_tokens);
        if needed > context {
            return Err(Error::new(
                Code::ContextFull,
                format!(
                    "All {needed} tokens do not fit the context of {context}. Shorten the text, or \
                     load the model with a longer context."
                ),
            ));
        }
        Ok(())
    }

    /// Records a step of `tokens`, or continues an interrupted one. Returns the number of layers
    /// that are done; after the last one the tokens count as cached.
    pub(super) fn append(
        &mut self,
        tokens: &[u32],
        rows: Option<Rows>,
        pause: &mut impl FnMut() -> bool,
    ) -> usize {
        let first_layer = self
            .interrupted
            .take()
            .filter(|step| step.tokens == tokens)
            .map_or(0, |step| step.layers_done);
        self.ahead.end();
        let input = match first_layer {
            0 => Input::Tokens(tokens),
            _ => Input::Interrupted,
        };
        let layers = first_layer..self.weights.layers.len();
        let recorded = self.record(input, self.cached_tokens(), layers, rows, pause);
        let layers_done = first_layer + recorded;
        if layers_done < self.weights.layers.len() {
            self.interrupted = Some(InterruptedStep {
                tokens: tokens.to_vec(),
                layers_done,
            });
        } else {
            self.slots.current_mut().tokens.extend_from_slice(tokens);
        }
        layers_done
    }

    /// Evaluates `tokens`, at most [`STEP_TOKENS`], from position 0 on through `layers`, which may
    /// repeat, and reads the logits after the last of them. The KV cache counts as empty afterwards.
    /// This serves to time layers: the logits are not checked.
    ///
    /// # Errors
    ///
    /// Those of the GPU.
    pub(crate) async fn forward_layers(
        &mut self,
        tokens: &[u32],
        layers: impl IntoIterator<Item = usize>,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        self.rewind(0);
        let input = Input::Tokens(tokens);
        self.record(input, 0, layers, Some(Rows::Last), &mut never);
        self.backend.read(&mut self.step, logits).await
    }
}
