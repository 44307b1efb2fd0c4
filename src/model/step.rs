//! Runs a step and samples: on the host from the logits, or on the device, several steps ahead.
//!
//! The device decodes ahead because reading a token back takes longer than computing it. Only the
//! tokens that the host has read count as cached. A step that is not wanted after all (the answer
//! ended, or was stopped) leaves its keys and values behind the cached ones, where the next step
//! overwrites them.

use super::decoder::{Input, Model, never};
use crate::{
    Code, Error, Result,
    backend::{Backend, Rows, sampling::TokenSampler},
};

/// Tells what came of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepOutcome {
    /// The step was interrupted. Holds the share of its layers that is done, below 1. Nothing is
    /// cached yet.
    Paused(f32),
    /// The tokens are cached. Holds the token sampled to follow them, if the step had a sampler.
    Done(Option<u32>),
}

impl<B: Backend> Model<B> {
    /// Appends `tokens`, at most [`STEP_TOKENS`](super::STEP_TOKENS), to the KV cache. With
    /// `sampler`, the token that follows the last of them is sampled.
    ///
    /// The step can be interrupted: `pause` is asked after each layer but the last. A call with the
    /// same tokens continues the step, any other call starts a new one.
    ///
    /// # Errors
    ///
    /// As [`Model::forward`].
    pub async fn step(
        &mut self,
        tokens: &[u32],
        sampler: Option<&mut impl TokenSampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        self.check_step(tokens)?;
        match sampler {
            Some(sampler) if self.backend.max_steps_ahead() > 0 => Ok(StepOutcome::Done(Some(
                self.decode_ahead(tokens, sampler).await?,
            ))),
            sampler => {
                let rows = sampler.is_some().then_some(Rows::Last);
                let layers_done = self.append(tokens, rows, pause);
                let layers = self.config.dims.layers;
                if layers_done < layers {
                    return Ok(StepOutcome::Paused(layers_done as f32 / layers as f32));
                }
                let Some(sampler) = sampler else {
                    self.backend.submit(&mut self.step).await?;
                    return Ok(StepOutcome::Done(None));
                };
                let mut logits = std::mem::take(&mut self.logits);
                let read = self.read(&mut logits).await;
                self.logits = logits;
                read?;
                Ok(StepOutcome::Done(Some(sampler.sample(&mut self.logits)?)))
            }
        }
    }

    /// Does the same as [`Model::forward_all`], and can be interrupted as [`Model::step`].
    ///
    /// # Errors
    ///
    /// As [`Model::forward`].
    pub async fn step_all(
        &mut self,
        tokens: &[u32],
        logits: &mut Vec<f32>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        self.check_step(tokens)?;
        let layers_done = self.append(tokens, Some(Rows::All), pause);
        let layers = self.config.dims.layers;
        if layers_done < layers {
            return Ok(StepOutcome::Paused(layers_done as f32 / layers as f32));
        }
        self.read(logits).await?;
        Ok(StepOutcome::Done(None))
    }

    /// Appends `tokens`, at most [`STEP_TOKENS`](super::STEP_TOKENS), to the KV cache: a token and
    /// guesses of what follows. `check` is given the logits after each of them, until it returns
    /// false: of those that it does not ask for, few are computed.
    ///
    /// # Errors
    ///
    /// As [`Model::forward`], and those of `check`.
    pub async fn step_checked(
        &mut self,
        tokens: &[u32],
        check: &mut impl FnMut(&mut [f32]) -> Result<bool>,
    ) -> Result<()> {
        self.check_step(tokens)?;
        self.append(tokens, None, &mut || false);
        let mut logits = std::mem::take(&mut self.logits);
        let outcome = self.check_rows(tokens.len(), &mut logits, check).await;
        self.logits = logits;
        outcome
    }

    /// Hands the logits after each of the step's `tokens` to `check`, until it returns false.
    async fn check_rows(
        &mut self,
        tokens: usize,
        logits: &mut Vec<f32>,
        check: &mut impl FnMut(&mut [f32]) -> Result<bool>,
    ) -> Result<()> {
        let batch = self.backend.min_batch();
        for first in (0..tokens).step_by(batch) {
            let count = batch.min(tokens - first);
            self.record_logits(Rows::Part { first, count });
            self.read(logits).await?;
            for row in logits.chunks_exact_mut(self.vocab_size()) {
                if !check(row)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Appends `tokens`, at most [`STEP_TOKENS`](super::STEP_TOKENS), to the KV cache, on a device
    /// that decodes ahead. Returns the likeliest token after each of them, which the device finds.
    /// Steps that ran ahead are forgotten.
    ///
    /// # Errors
    ///
    /// As [`Model::forward`].
    pub async fn step_argmax(&mut self, tokens: &[u32]) -> Result<Vec<u32>> {
        self.check_step(tokens)?;
        self.append(tokens, Some(Rows::All), &mut never);
        self.backend.read_argmax(&mut self.step).await
    }

    /// Returns the token that follows `tokens`, sampled on the device. If `tokens` is the last
    /// token read, the device has evaluated it already.
    async fn decode_ahead(
        &mut self,
        tokens: &[u32],
        sampler: &mut impl TokenSampler,
    ) -> Result<u32> {
        let here = tokens
            .first()
            .map(|&token| (self.cached_tokens(), token))
            .filter(|_| tokens.len() == 1);
        let is_constrained = sampler.is_constrained();
        // The host reads what layers take of each token, before the step.
        let is_read = self.config.dims.layer_input > 0;
        if !is_read && here.is_some() && self.ahead.next == here && !is_constrained {
            self.slots.current_mut().tokens.extend_from_slice(tokens);
        } else {
            // Steps that ran ahead of an earlier answer are dropped, whatever came of them.
            self.ahead.unread_steps = 0;
            self.append(tokens, Some(Rows::Last), &mut never);
            if is_constrained {
                // The device computes the logits while the host computes the mask.
                self.backend.submit(&mut self.step).await?;
                sampler.prepare()?;
            }
            self.backend.begin_sampling(&mut self.step, sampler);
            self.sample(sampler);
        }
        let free_tokens = self.context_tokens - self.cached_tokens();
        // Steps that come to nothing may leave the state that the next one goes on from: one can.
        let most = match self.slots.reach().has_states() {
            _ if is_read => 1,
            true => 2,
            false => usize::MAX,
        };
        let max_steps = self
            .backend
            .max_steps_ahead()
            .min(most)
            .min(1 + sampler.more().min(free_tokens))
            .max(1);
        while self.ahead.unread_steps < max_steps {
            let position = self.cached_tokens() + self.ahead.unread_steps - 1;
            let layers = 0..self.config.dims.layers;
            self.record(
                Input::Sampled,
                position,
                layers,
                Some(Rows::Last),
                &mut never,
            );
            self.sample(sampler);
        }
        self.ahead.unread_steps -= 1;
        // If the reading fails, the next step starts again from the host.
        self.ahead.end();
        let sampled = self.backend.read_sampled(&mut self.step).await?;
        let token = sampled.token;
        sampler.accept(sampled);
        self.ahead.next = Some((self.cached_tokens(), token));
        Ok(token)
    }

    /// Appends `tokens`, at most [`STEP_TOKENS`](super::STEP_TOKENS), to the KV cache. Writes to
    /// `hidden` what the last norm makes of each of them, `[tokens, embedding]`: the states that the
    /// logits are computed of. Can be interrupted as [`Model::step`].
    ///
    /// An encoder takes a whole text, which may be as long as the context, and keeps none before it.
    ///
    /// # Errors
    ///
    /// As [`Model::forward`].
    pub async fn step_hidden(
        &mut self,
        tokens: &[u32],
        hidden: &mut Vec<f32>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        match self.is_encoder() {
            true => {
                // An interrupted text is not cached yet.
                if self.cached_tokens() > 0 {
                    self.rewind(0);
                }
                self.check(tokens)?;
            }
            false => self.check_step(tokens)?,
        }
        let layers_done = self.append(tokens, None, pause);
        let layers = self.config.dims.layers;
        if layers_done < layers {
            return Ok(StepOutcome::Paused(layers_done as f32 / layers as f32));
        }
        let (norm, eps) = (self.weights.output_norm.as_ref(), self.config.rms_eps);
        self.backend
            .read_hidden(&mut self.step, norm, eps, hidden)
            .await?;
        check_finite(hidden)?;
        Ok(StepOutcome::Done(None))
    }

    /// Returns what an encoder's dense layers make of a pooled state; itself where there are none.
    pub fn dense(&mut self, mut pooled: Vec<f32>) -> Vec<f32> {
        for matrix in &self.weights.dense {
            self.backend.dense(&mut self.step, matrix, &mut pooled);
        }
        pooled
    }

    /// Reads the logits of the recorded step to the host.
    pub(super) async fn read(&mut self, logits: &mut Vec<f32>) -> Result<()> {
        self.backend.read(&mut self.step, logits).await?;
        check_finite(logits)
    }

    /// Records the sampling of a token on the device.
    fn sample(&mut self, sampler: &impl TokenSampler) {
        self.backend
            .sample(&mut self.step, sampler.draw(self.ahead.unread_steps));
        self.ahead.unread_steps += 1;
    }
}

fn check_finite(values: &[f32]) -> Result<()> {
    if values.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(Error::new(
        Code::NotFinite,
        "The model computed a number that is not finite. Download the model file again; if it \
         stays so, report it.",
    ))
}
