//! Computes the beginning of conversations, and restores one that a page has stored.

use super::{
    Session,
    engine::AnyModel,
    evaluate::{Wanted, evaluate},
    request::ChatRequest,
};
use crate::{
    Code, Error, Result,
    model::{SlotState, slot_state::in_use},
    text::prompt::Ending,
};
use serde_json::{Value, json};

impl Session<AnyModel> {
    /// Evaluates the messages and tools of a request as the beginning of a conversation, and keeps
    /// it. Returns its tokens: those that all conversations share which begin with the messages.
    /// The request's other fields have no effect.
    ///
    /// # Errors
    ///
    /// - `busy` while an answer is being written.
    /// - `template`, `context_full`, `aborted` after [`Session::stop`], `not_finite`.
    pub async fn keep_prefix(&mut self, request: &ChatRequest) -> Result<Vec<u32>> {
        self.check_idle()?;
        let tokens = self.prefix_tokens(request)?;
        self.use_default_adapters()?;
        let stop = self.generator.stop_handle();
        stop.reset();
        let decoder = self.generator.decoder_mut();
        decoder.check_tokens(&tokens)?;
        let cached_tokens = self.prefixes.recall(decoder, &tokens)?;
        evaluate(decoder, &tokens[cached_tokens..], &stop, Wanted::Nothing).await?;
        let state = decoder.export_slot().await?;
        self.prefixes.keep(state);
        Ok(tokens)
    }

    /// Returns the beginning that the chat template writes for every conversation without a system
    /// message, if the slot in use begins with it and it takes at most `max_bytes`: nothing is
    /// evaluated. It is for the next visit, and the answers that follow must be the same bit for
    /// bit, so a graphics card, whose sums depend on how many tokens were evaluated together, has
    /// none.
    ///
    /// # Errors
    ///
    /// `busy` while an answer is being written, `template`, `out_of_memory`.
    pub async fn opening(&mut self, max_bytes: usize) -> Result<Option<SlotState>> {
        self.check_idle()?;
        let tokens = self.prefix_tokens(&ChatRequest::default())?;
        let AnyModel::Cpu(model) = self.generator.decoder_mut() else {
            return Ok(None);
        };
        let numbers = model.config.dims.cached_numbers(tokens.len());
        if numbers > max_bytes / size_of::<u16>() {
            return Ok(None);
        }
        let state = model.export_beginning(tokens.len()).await?;
        let is_opening = state.tokens == tokens && state.adapters == in_use(&self.adapter_scales);
        Ok(is_opening.then_some(state))
    }

    /// Keeps what [`Session::opening`] returned on an earlier visit, as [`Session::restore_prefix`]
    /// does.
    ///
    /// # Errors
    ///
    /// As [`Session::restore_prefix`].
    pub fn restore_opening(&mut self, state: SlotState) -> Result<bool> {
        match self.generator.decoder() {
            AnyModel::Cpu(_) => self.restore_prefix(&ChatRequest::default(), state),
            AnyModel::Gpu(_) => Ok(false),
        }
    }

    /// Returns the keys and values of the prefix of these tokens, in [`SlotState::kv`]'s form, if it
    /// is kept.
    pub fn kept_prefix(&self, tokens: &[u32]) -> Option<&[u16]> {
        let adapters = in_use(&self.adapter_scales);
        Some(&self.prefixes.get(tokens, adapters)?.kv)
    }

    /// Returns the state of tokens that were computed with the session's adapters.
    pub fn state_of(&self, tokens: Vec<u32>, kv: Vec<u16>) -> SlotState {
        let adapters = in_use(&self.adapter_scales).to_vec();
        SlotState {
            tokens,
            kv,
            adapters,
        }
    }

    /// Keeps a prefix of this request that [`Session::keep_prefix`] evaluated earlier, with the same
    /// model and adapters. Returns whether its tokens are those of the request: another chat template writes
    /// others, and then nothing is kept.
    ///
    /// # Errors
    ///
    /// `busy`, `template`, `context_full`, `invalid_argument` where it cannot be this model's.
    pub fn restore_prefix(&mut self, request: &ChatRequest, state: SlotState) -> Result<bool> {
        self.check_idle()?;
        self.generator.decoder().check_state(&state)?;
        let is_of_request = self.prefix_tokens(request)? == state.tokens;
        if is_of_request {
            self.prefixes.keep(state);
        }
        Ok(is_of_request)
    }

    /// Returns the tokens that every conversation begins with which begins with the messages.
    fn prefix_tokens(&self, request: &ChatRequest) -> Result<Vec<u32>> {
        let prompt = |messages: Vec<Value>, ending| {
            let messages = Value::Array(messages);
            let tools = request.tools.shown.as_ref();
            self.prompt(&messages, tools, &request.template_variables, ending)
        };
        let messages = &request.messages;
        if messages.last().is_some_and(|last| last["role"] == "user") {
            return prompt(messages.clone(), Ending::GenerationPrompt);
        }
        // Whatever the user says next, these two differ from its first character on.
        let with_user = |content| {
            let user = json!({"role": "user", "content": content});
            prompt([&messages[..], &[user]].concat(), Ending::LastMessage)
        };
        let (a, b) = (with_user("a")?, with_user("1")?);
        let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        match shared {
            0 => Err(Error::new(
                Code::Template,
                "The chat template puts nothing of these messages before what the user says next, \
                 so that there is no beginning to keep.",
            )),
            _ => Ok(a[..shared].to_vec()),
        }
    }
}
