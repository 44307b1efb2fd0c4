//! Tokens chosen on the device, several steps ahead of the host: reading one back takes longer than computing it.
//!
//! Only what the host has read counts as cached. A step that ran ahead and turns out not to be wanted (the answer ended, or was stopped)
//! leaves keys and values behind the cached ones, where the next step overwrites them.

use super::decoder::{Input, Model};
use crate::{
    Result,
    backend::{Backend, Rows, sampling::TokenSampler},
};

#[derive(Debug, Default)]
pub(super) struct DecodeAhead {
    /// Steps whose chosen token has not been read.
    unread: usize,
    /// The chain goes on if this many tokens are cached and this one is the next.
    next: Option<(usize, u32)>,
}

impl DecodeAhead {
    /// The next step begins a new one.
    pub fn end(&mut self) {
        self.next = None;
    }
}

impl<B: Backend> Model<B> {
    /// The token that follows `tokens`. If they are the last token read, the device is already past it.
    pub(super) async fn decode_ahead(
        &mut self,
        tokens: &[u32],
        choose: &mut impl TokenSampler,
    ) -> Result<u32> {
        let here = tokens
            .first()
            .map(|&token| (self.cached_tokens, token))
            .filter(|_| tokens.len() == 1);
        if here.is_some() && self.ahead.next == here {
            self.cached_tokens += 1;
        } else {
            // What ran ahead of the last answer, and whatever came of it.
            self.ahead.unread = 0;
            self.backend.begin_sampling(&mut self.step, choose);
            self.append(tokens, Some(Rows::Last), &mut || false);
            self.choose(choose);
        }
        let room = self.context_tokens - self.cached_tokens;
        let most = self
            .backend
            .max_steps_ahead()
            .min(1 + choose.more().min(room))
            .max(1);
        while self.ahead.unread < most {
            self.record(
                Input::SampledToken,
                self.cached_tokens + self.ahead.unread - 1,
                0,
                Some(Rows::Last),
                &mut || false,
            );
            self.choose(choose);
        }
        self.ahead.unread -= 1;
        // Until it is read, no chain can go on.
        self.ahead.next = None;
        let chosen = self.backend.read_sampled(&mut self.step).await?;
        let token = chosen.token;
        choose.accept(chosen);
        self.ahead.next = Some((self.cached_tokens, token));
        Ok(token)
    }

    fn choose(&mut self, choose: &impl TokenSampler) {
        self.backend
            .choose(&mut self.step, choose.draw(self.ahead.unread));
        self.ahead.unread += 1;
    }
}
