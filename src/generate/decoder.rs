//! Defines what generating needs of a model.

use super::{checked::Checked, sampler::Sampler};
use crate::{
    Result,
    backend::{Backend, sampling::TokenSampler},
    model::{Model, SlotState, StepOutcome},
};

/// Evaluates tokens and caches their keys and values, as [`Generator`] asks for it.
///
/// [`Generator`]: super::generator::Generator
pub trait Decoder {
    /// Returns the length of the vocabulary, and with it of the logits.
    fn vocab_size(&self) -> usize;

    /// Returns the number of tokens that the KV cache of a slot can hold.
    fn context_tokens(&self) -> usize;

    /// Returns the number of tokens in the KV cache of the slot in use.
    fn cached_tokens(&self) -> usize;

    /// Returns the number of tokens, a power of two, below which a step is hardly faster.
    fn min_batch(&self) -> usize {
        4
    }

    /// Returns whether the model is an encoder, which makes embeddings and writes no text.
    fn is_encoder(&self) -> bool {
        false
    }

    /// Puts a slot to use for a request of `tokens`, and returns the number of tokens at their
    /// beginning that are cached in it. The last one never is.
    fn select_slot(&mut self, tokens: &[u32]) -> usize;

    /// Removes the tokens from position `tokens` on from the KV cache. Returns the number of tokens
    /// that remain, which may be fewer than `tokens`.
    fn rewind(&mut self, tokens: usize) -> usize;

    /// Appends `tokens`, at most [`STEP_TOKENS`], to the KV cache.
    ///
    /// With `sampler`, the token that follows the last of them is sampled and returned.
    ///
    /// `pause` is asked now and then whether to return early. Nothing is cached after such a
    /// return: a call with the same tokens continues the step, any other call starts a new one.
    ///
    /// [`STEP_TOKENS`]: crate::model::STEP_TOKENS
    fn step(
        &mut self,
        tokens: &[u32],
        sampler: Option<&mut Sampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> impl Future<Output = Result<StepOutcome>>;

    /// Replaces what the slot in use holds, as [`Model::import_slot`].
    fn import_slot(&mut self, state: &SlotState) -> Result<()>;

    /// Returns whether the device decodes ahead of the host, so that a step may take less than its
    /// token does.
    fn runs_ahead(&self) -> bool {
        false
    }

    /// Returns the most tokens of a draft that one step checks for an answer of `sampler`; 0 where
    /// none is checked.
    fn max_draft(&self, sampler: &Sampler) -> usize;

    /// Appends `tokens` to the KV cache, which are guesses but for the first. `check` is given what
    /// follows each of them, until it returns false.
    fn check_draft(
        &mut self,
        tokens: &[u32],
        check: &mut impl FnMut(Checked<'_>) -> Result<bool>,
    ) -> impl Future<Output = Result<()>>;

    /// As [`Decoder::step`], but writes the logits after every one of the tokens to `logits`,
    /// `[tokens, vocab]`, and samples none.
    fn step_all(
        &mut self,
        tokens: &[u32],
        logits: &mut Vec<f32>,
        pause: &mut impl FnMut() -> bool,
    ) -> impl Future<Output = Result<StepOutcome>>;
}

impl<B: Backend> Decoder for Model<B> {
    fn vocab_size(&self) -> usize {
        Model::vocab_size(self)
    }
    fn context_tokens(&self) -> usize {
        Model::context_tokens(self)
    }
    fn cached_tokens(&self) -> usize {
        Model::cached_tokens(self)
    }
    fn min_batch(&self) -> usize {
        self.backend.min_batch()
    }
    fn is_encoder(&self) -> bool {
        Model::is_encoder(self)
    }
    fn select_slot(&mut self, tokens: &[u32]) -> usize {
        Model::select_slot(self, tokens)
    }
    fn rewind(&mut self, tokens: usize) -> usize {
        Model::rewind(self, tokens)
    }
    async fn step(
        &mut self,
        tokens: &[u32],
        sampler: Option<&mut Sampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        Model::step(self, tokens, sampler, pause).await
    }
    fn import_slot(&mut self, state: &SlotState) -> Result<()> {
        Model::import_slot(self, state)
    }
    fn runs_ahead(&self) -> bool {
        self.backend.max_steps_ahead() > 0
    }
    fn max_draft(&self, sampler: &Sampler) -> usize {
        match self.runs_ahead() {
            // What a state took in cannot be taken back.
            _ if self.config.dims.delta.is_some() => 0,
            false => usize::MAX,
            // The device finds the likeliest tokens, and samples no others of several rows.
            true if sampler.takes_likeliest() => self.backend.max_checked() - 1,
            true => 0,
        }
    }
    async fn check_draft(
        &mut self,
        tokens: &[u32],
        check: &mut impl FnMut(Checked<'_>) -> Result<bool>,
    ) -> Result<()> {
        if !self.runs_ahead() {
            let mut check = |logits: &mut [f32]| check(Checked::Logits(logits));
            return Model::step_checked(self, tokens, &mut check).await;
        }
        for token in Model::step_argmax(self, tokens).await? {
            if !check(Checked::Likeliest(token))? {
                break;
            }
        }
        Ok(())
    }
    async fn step_all(
        &mut self,
        tokens: &[u32],
        logits: &mut Vec<f32>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        Model::step_all(self, tokens, logits, pause).await
    }
}
