//! The forward pass: the only one.

use super::{config::ModelConfig, decode_ahead::DecodeAhead, weights::Weights};
use crate::{
    Code, Error, Result,
    backend::{AttentionInput, Backend, FeedForward, Rope, Rows, sampling::TokenSampler},
};

/// Tokens of one step; longer prompts take several.
pub const STEP_TOKENS: usize = 64;

/// A loaded model with its KV cache.
pub struct Model<B: Backend> {
    pub config: ModelConfig,
    pub backend: B,
    weights: Weights<B::Buf>,
    rope: Rope,
    cache: B::Cache,
    pub(super) step: B::Step,
    pub(super) context_tokens: usize,
    pub(super) cached_tokens: usize,
    pub(super) ahead: DecodeAhead,
    begun: Option<Begun>,
    /// Scratch for choosing on the host, `[vocab]`.
    logits: Vec<f32>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// The share of the step that is done, below 1. Nothing is cached yet.
    Paused(f32),
    /// The tokens are cached. The token chosen to follow them, if one was asked for.
    Done(Option<u32>),
}

/// What a step begins with.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    Tokens(&'a [u32]),
    /// The token that the step before chose on the device.
    SampledToken,
}

/// A step that was interrupted: what goes through the layers, and through how many it is.
struct Begun {
    tokens: Vec<u32>,
    layers: usize,
}

impl<B: Backend> Model<B> {
    /// `rope_freqs` divides the config's rope frequencies, if the file holds it. Errors: `out_of_memory`.
    pub fn new(
        config: ModelConfig,
        mut backend: B,
        weights: Weights<B::Buf>,
        rope_freqs: Option<&[f32]>,
        context_tokens: usize,
    ) -> Result<Self> {
        let mut frequencies = config.rope_frequencies.clone();
        for (frequency, divisor) in frequencies.iter_mut().zip(rope_freqs.unwrap_or_default()) {
            *frequency /= divisor;
        }
        let rope = Rope {
            pairs: config.rope_pairs,
            frequencies,
        };
        let cache = backend.cache(&config.dims, context_tokens)?;
        let step = backend.step(&config.dims, STEP_TOKENS)?;
        Ok(Model {
            config,
            backend,
            weights,
            rope,
            cache,
            step,
            context_tokens,
            cached_tokens: 0,
            ahead: DecodeAhead::default(),
            begun: None,
            logits: Vec::new(),
        })
    }

    /// Tokens that the vocabulary has: the length of `logits`.
    pub fn vocab_size(&self) -> usize {
        self.config.dims.vocab
    }

    /// Tokens that the KV cache can hold.
    pub fn context_tokens(&self) -> usize {
        self.context_tokens
    }

    /// Tokens in the KV cache now.
    pub fn cached_tokens(&self) -> usize {
        self.cached_tokens
    }

    /// Forgets every cached token from position `tokens` on.
    pub fn truncate(&mut self, tokens: usize) {
        self.cached_tokens = self.cached_tokens.min(tokens);
        self.ahead.end();
        self.begun = None;
    }

    /// Appends `tokens` to the cache. With `logits`, leaves there the logits `[vocab]` that follow the last of them.
    /// Errors: `context_full`, `invalid_argument` (empty, or an id outside the vocabulary), `not_finite`.
    pub async fn forward(&mut self, tokens: &[u32], logits: Option<&mut Vec<f32>>) -> Result<()> {
        self.check(tokens)?;
        let last = (tokens.len() - 1) / STEP_TOKENS;
        self.begun = None;
        for (i, tokens) in tokens.chunks(STEP_TOKENS).enumerate() {
            let wanted = logits.is_some() && i == last;
            self.append(tokens, wanted.then_some(Rows::Last), &mut || false);
            if !wanted {
                self.backend.submit(&mut self.step).await?;
            }
        }
        if let Some(logits) = logits {
            self.read(logits).await?;
        }
        Ok(())
    }

    /// Appends at most [`STEP_TOKENS`] tokens to the cache; with `choose`, has it choose the token that follows the last of them. May be
    /// interrupted: after each layer but the last `pause` is asked. The same call again goes on, any other begins anew.
    /// Errors: as [`Model::forward`].
    pub async fn step(
        &mut self,
        tokens: &[u32],
        choose: Option<&mut impl TokenSampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<Outcome> {
        self.check_step(tokens)?;
        match choose {
            Some(choose) if self.backend.max_steps_ahead() > 0 => Ok(Outcome::Done(Some(
                self.decode_ahead(tokens, choose).await?,
            ))),
            choose => {
                let layers = self.append(tokens, choose.is_some().then_some(Rows::Last), pause);
                if layers < self.weights.layers.len() {
                    return Ok(Outcome::Paused(
                        layers as f32 / self.weights.layers.len() as f32,
                    ));
                }
                let Some(choose) = choose else {
                    self.backend.submit(&mut self.step).await?;
                    return Ok(Outcome::Done(None));
                };
                let mut logits = std::mem::take(&mut self.logits);
                let read = self.read(&mut logits).await;
                self.logits = logits;
                read?;
                Ok(Outcome::Done(Some(choose.choose(&mut self.logits)?)))
            }
        }
    }

    /// As [`Model::forward`], with the logits after every token, `[tokens, vocab]`. At most [`STEP_TOKENS`] tokens.
    pub async fn forward_all(&mut self, tokens: &[u32], logits: &mut Vec<f32>) -> Result<()> {
        self.check_step(tokens)?;
        self.begun = None;
        self.append(tokens, Some(Rows::All), &mut || false);
        self.read(logits).await
    }

    fn check_step(&self, tokens: &[u32]) -> Result<()> {
        if tokens.len() > STEP_TOKENS {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("A step takes at most {STEP_TOKENS} tokens; pass fewer."),
            ));
        }
        self.check(tokens)
    }

    fn check(&self, tokens: &[u32]) -> Result<()> {
        if tokens.is_empty() {
            return Err(Error::new(
                Code::InvalidArgument,
                "There are no tokens to run; give at least one.",
            ));
        }
        if let Some(bad) = tokens.iter().find(|&&t| t as usize >= self.vocab_size()) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!(
                    "Token {bad} is outside the vocabulary of {} tokens; use ids that this model's tokenizer gave.",
                    self.vocab_size()
                ),
            ));
        }
        let (needed, room) = (self.cached_tokens + tokens.len(), self.context_tokens);
        if needed > room {
            return Err(Error::new(
                Code::ContextFull,
                format!(
                    "All {needed} tokens do not fit the context of {room}. Shorten the text, or load the model with a longer context."
                ),
            ));
        }
        Ok(())
    }

    async fn read(&mut self, logits: &mut Vec<f32>) -> Result<()> {
        self.backend.read(&mut self.step, logits).await?;
        if logits.iter().all(|x| x.is_finite()) {
            return Ok(());
        }
        Err(Error::new(
            Code::NotFinite,
            "The model computed a number that is not finite. Download the model file again; if it stays so, report it.",
        ))
    }

    /// Records a step, or goes on with it. Returns the number of layers that the tokens are through; after the last they count as cached.
    pub(super) fn append(
        &mut self,
        tokens: &[u32],
        rows: Option<Rows>,
        pause: &mut impl FnMut() -> bool,
    ) -> usize {
        let first = self
            .begun
            .take()
            .filter(|begun| begun.tokens == tokens)
            .map_or(0, |begun| begun.layers);
        self.ahead.end();
        let layers = self.record(
            Input::Tokens(tokens),
            self.cached_tokens,
            first,
            rows,
            pause,
        );
        if layers < self.weights.layers.len() {
            self.begun = Some(Begun {
                tokens: tokens.to_vec(),
                layers,
            });
        } else {
            self.cached_tokens += tokens.len();
        }
        layers
    }

    /// Takes `input`, which stands at `position`, through the layers from `first` on. Returns the number of layers that it is through then.
    pub(super) fn record(
        &mut self,
        input: Input,
        position: usize,
        first: usize,
        rows: Option<Rows>,
        pause: &mut impl FnMut() -> bool,
    ) -> usize {
        let Self {
            config,
            backend,
            weights,
            rope,
            cache,
            step,
            ..
        } = self;
        let eps = config.rms_eps;
        match input {
            Input::Tokens(tokens) if first == 0 => {
                backend.embed(step, &weights.token_embd, tokens, position)
            }
            Input::Tokens(_) => {}
            Input::SampledToken => backend.embed_sampled(step, &weights.token_embd, position),
        }
        if first == 0 {
            backend.tap(step, None, "token_embd");
        }
        for (i, w) in weights.layers.iter().enumerate().skip(first) {
            let input = AttentionInput {
                norm: &w.attn_norm,
                q: &w.attn_q,
                k: &w.attn_k,
                v: &w.attn_v,
                q_bias: w.attn_q_bias.as_ref(),
                k_bias: w.attn_k_bias.as_ref(),
                v_bias: w.attn_v_bias.as_ref(),
                rope,
                eps,
            };
            backend.attention_input(step, cache, i, &input);
            backend.tap(step, Some(i), "attn_q");
            backend.attend(step, cache, i);
            backend.tap(step, Some(i), "attn");
            backend.project_add(step, &w.attn_output);
            backend.tap(step, Some(i), "attn_output");
            backend.feed_forward(
                step,
                &FeedForward {
                    norm: &w.ffn_norm,
                    gate: &w.ffn_gate,
                    up: &w.ffn_up,
                    activation: config.activation,
                    eps,
                },
            );
            backend.tap(step, Some(i), "ffn_up");
            backend.project_add(step, &w.ffn_down);
            backend.tap(step, Some(i), "ffn_down");
            let layers = i + 1;
            if layers < weights.layers.len() && pause() {
                return layers;
            }
        }
        if let Some(rows) = rows {
            backend.lm_head(
                step,
                &weights.output_norm,
                weights.output.as_ref().unwrap_or(&weights.token_embd),
                eps,
                rows,
            );
        }
        weights.layers.len()
    }
}
