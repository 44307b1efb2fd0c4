//! Keeps the beginnings of conversations that many requests share: those of a system message and
//! its examples, for instance. A page may store them, so that not even its next visit reads them.
//!
//! A slot keeps a beginning only until another conversation takes it. What is kept here comes back
//! into a slot when a request begins with it.

use super::{Session, engine::AnyModel, evaluate::evaluate, request::ChatRequest};
use crate::{Code, Error, Result, generate::Decoder, model::SlotState};
use serde_json::{Value, json};

/// Limits the memory of the prefixes. The least recently used ones are forgotten; the newest is
/// kept, however long it is.
const BUDGET_BYTES: usize = 64 << 20;

/// Holds the prefixes that are kept, the most recently used one last.
#[derive(Default)]
pub(super) struct Prefixes(Vec<SlotState>);

impl Prefixes {
    /// Keeps a prefix, in place of one of the same tokens.
    fn keep(&mut self, state: SlotState) {
        self.0.retain(|kept| kept.tokens != state.tokens);
        self.0.push(state);
        let bytes = |state: &SlotState| size_of_val(&state.kv[..]) + size_of_val(&state.tokens[..]);
        let mut total_bytes: usize = self.0.iter().map(bytes).sum();
        while total_bytes > BUDGET_BYTES && self.0.len() > 1 {
            total_bytes -= bytes(&self.0.remove(0));
        }
    }

    /// Puts the slot to use that suits a request of `tokens`, with the longest beginning of them
    /// that it or a prefix has. The last token is not among them. Returns their number.
    pub(super) fn recall(&mut self, decoder: &mut impl Decoder, tokens: &[u32]) -> Result<usize> {
        let cached_tokens = decoder.select_slot(tokens);
        let most = tokens.len().saturating_sub(1);
        let common_tokens = |state: &SlotState| {
            let pairs = state.tokens.iter().zip(tokens);
            pairs.take_while(|(a, b)| a == b).count().min(most)
        };
        let best = (0..self.0.len()).max_by_key(|&i| common_tokens(&self.0[i]));
        let Some(best) = best.filter(|&i| common_tokens(&self.0[i]) > cached_tokens) else {
            return Ok(cached_tokens);
        };
        let state = self.0.remove(best);
        let imported = decoder.import_slot(&state);
        let common_tokens = common_tokens(&state);
        self.0.push(state);
        imported?;
        Ok(decoder.rewind(common_tokens))
    }
}

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
        let stop = self.generator.stop_handle();
        stop.reset();
        let decoder = self.generator.decoder_mut();
        decoder.check_tokens(&tokens)?;
        let cached_tokens = self.prefixes.recall(decoder, &tokens)?;
        evaluate(decoder, &tokens[cached_tokens..], &stop, None).await?;
        let state = decoder.export_slot().await?;
        self.prefixes.keep(state);
        Ok(tokens)
    }

    /// Returns the keys and values of the prefix of these tokens, in [`SlotState::kv`]'s form, if it
    /// is kept.
    pub fn kept_prefix(&self, tokens: &[u32]) -> Option<&[u16]> {
        let kept = self.prefixes.0.iter().find(|kept| kept.tokens == tokens)?;
        Some(&kept.kv)
    }

    /// Keeps a prefix of this request that [`Session::keep_prefix`] evaluated earlier, with the same
    /// model. Returns whether its tokens are those of the request: another chat template writes
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
        let prompt = |messages: Vec<Value>, answers| {
            let messages = Value::Array(messages);
            let tools = request.tools.as_ref();
            self.prompt(&messages, tools, &request.template_variables, answers)
        };
        let messages = &request.messages;
        if messages.last().is_some_and(|last| last["role"] == "user") {
            return prompt(messages.clone(), true);
        }
        // Whatever the user says next, these two differ from its first character on.
        let with_user = |content| {
            let user = json!({"role": "user", "content": content});
            prompt([&messages[..], &[user]].concat(), false)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn state(token: u32, kv_bytes: usize) -> SlotState {
        SlotState {
            tokens: vec![token],
            kv: vec![0; kv_bytes / 2],
        }
    }

    fn kept(prefixes: &Prefixes) -> Vec<u32> {
        prefixes.0.iter().map(|state| state.tokens[0]).collect()
    }

    #[test]
    fn the_least_recently_used_ones_go_when_the_budget_is_spent() {
        let mut prefixes = Prefixes::default();
        for token in 0..3 {
            prefixes.keep(state(token, 20 << 20));
        }
        assert_eq!(kept(&prefixes), [0, 1, 2], "60 of 64 MiB");
        prefixes.keep(state(1, 20 << 20));
        assert_eq!(kept(&prefixes), [0, 2, 1], "it takes its own place");
        prefixes.keep(state(3, 20 << 20));
        assert_eq!(kept(&prefixes), [2, 1, 3]);
        prefixes.keep(state(4, BUDGET_BYTES + 2));
        assert_eq!(kept(&prefixes), [4], "the newest is kept, however long");
    }
}
