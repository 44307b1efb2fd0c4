//! Holds what a generator knows of the answer that it writes.

use super::{
    event::{Drafts, Event, FinishReason, Usage},
    options::ContextOverflow,
    sampler::{Sampler, logprobs::TokenLogprob},
    stop::StopStrings,
    vocabulary::Vocabulary,
};
use crate::text::stream::Utf8Stream;
use std::collections::VecDeque;

/// Holds the state of the answer that is being written.
pub(super) struct Answer {
    pub(super) sampler: Sampler,
    pub(super) utf8: Utf8Stream,
    pub(super) stop: StopStrings,
    pub(super) max_tokens: Option<usize>,
    pub(super) context_overflow: ContextOverflow,
    pub(super) keep_tokens: usize,
    pub(super) draft_max: usize,
    pub(super) visible_tokens: Vec<u32>,
    pub(super) usage: Usage,
    pub(super) drafts: Drafts,
    /// Holds tokens that are sampled and not yet written.
    pub(super) sampled: VecDeque<Sampled>,
}

/// Holds a token that was sampled.
pub(super) struct Sampled {
    pub(super) token: u32,
    pub(super) logprob: Option<TokenLogprob>,
}

impl Answer {
    /// Takes the token that was sampled last.
    pub(super) fn push(&mut self, token: u32, vocabulary: &impl Vocabulary) {
        // The end-of-turn token is no part of the answer.
        let logprob = if vocabulary.is_end(token) {
            None
        } else {
            self.sampler.logprob(token, vocabulary)
        };
        self.sampled.push_back(Sampled { token, logprob });
    }

    /// Takes the tokens that must come next by the form of the answer.
    pub(super) fn push_forced(&mut self) {
        let tokens = self.sampler.take_forced();
        self.extend(&tokens);
    }

    /// Takes tokens that come next whatever was sampled.
    pub(super) fn force(&mut self, tokens: &[u32]) {
        self.sampler.force(tokens);
        self.extend(tokens);
    }

    fn extend(&mut self, tokens: &[u32]) {
        let sampled = |&token| Sampled {
            token,
            logprob: None,
        };
        self.sampled.extend(tokens.iter().map(sampled));
    }

    /// Returns how many tokens it may still have, with `free_tokens` left in the context.
    pub(super) fn left_tokens(&self, free_tokens: usize) -> usize {
        let left_tokens = self
            .max_tokens
            .map(|max_tokens| max_tokens - self.usage.completion_tokens);
        free_tokens.min(left_tokens.unwrap_or(free_tokens))
    }

    /// Returns the most tokens that a draft may have, with `free_tokens` left in the context, where
    /// one step checks `checked_tokens` of them.
    pub(super) fn max_draft(&self, free_tokens: usize, checked_tokens: usize) -> usize {
        let left_tokens = self.left_tokens(free_tokens);
        let max_draft = self.draft_max.min(checked_tokens);
        max_draft.min(left_tokens.saturating_sub(1))
    }

    /// Ends the answer with `text` and what was held back of a stop string.
    pub(super) fn end(&mut self, mut text: String, reason: FinishReason) -> Event {
        text.push_str(&self.stop.finish());
        let mut usage = self.usage;
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
        Event {
            text,
            finish_reason: Some(reason),
            usage: Some(usage),
            drafts: (self.drafts.tokens > 0).then_some(self.drafts),
            ..Event::default()
        }
    }

    /// Returns the text that becomes whole with `token`.
    pub(super) fn text_of(&mut self, token: u32, vocabulary: &impl Vocabulary) -> String {
        if self.visible_tokens.contains(&token) {
            self.utf8.push(vocabulary.token_bytes(token))
        } else if vocabulary.is_control(token) {
            String::new()
        } else if self.utf8.has_begun() {
            self.utf8.push(vocabulary.token_bytes(token))
        } else {
            self.utf8.push(vocabulary.first_bytes(token))
        }
    }
}
