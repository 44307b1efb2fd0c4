//! Tokens chosen on the device, several steps ahead of the host: reading one back takes longer than computing it.
//!
//! Only what the host has read counts as cached. A step that ran ahead and turns out not to be wanted (the answer ended, or was stopped)
//! leaves keys and values behind the cached ones, where the next step overwrites them.

use super::decoder::{Input, Model};
use crate::{
    Result,
    backend::{Backend, Rows, choice::Choose},
};

#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Steps whose chosen token has not been read.
    unread: usize,
    /// The chain goes on if this many tokens are cached and this one is the next.
    next: Option<(usize, u32)>,
}

impl Chain {
    /// The next step begins a new one.
    pub fn end(&mut self) {
        self.next = None;
    }
}

impl<B: Backend> Model<B> {
    /// The token that follows `tokens`. If they are the last token read, the device is already past it.
    pub(super) async fn follow(&mut self, tokens: &[u32], choose: &mut impl Choose) -> Result<u32> {
        let here = tokens.first().map(|&token| (self.cached_tokens, token)).filter(|_| tokens.len() == 1);
        if here.is_some() && self.chain.next == here {
            self.cached_tokens += 1;
        } else {
            // What ran ahead of the last answer, and whatever came of it.
            self.chain.unread = 0;
            self.backend.begin_choosing(&mut self.step, choose);
            self.append(tokens, Some(Rows::Last), &mut || false);
            self.choose(choose);
        }
        let room = self.context_tokens - self.cached_tokens;
        let most = self.backend.most_in_flight().min(1 + choose.more().min(room)).max(1);
        while self.chain.unread < most {
            self.record(Input::Chosen, self.cached_tokens + self.chain.unread - 1, 0, Some(Rows::Last), &mut || false);
            self.choose(choose);
        }
        self.chain.unread -= 1;
        // Until it is read, no chain can go on.
        self.chain.next = None;
        let chosen = self.backend.read_chosen(&mut self.step).await?;
        let token = chosen.token;
        choose.accept(chosen);
        self.chain.next = Some((self.cached_tokens, token));
        Ok(token)
    }

    fn choose(&mut self, choose: &impl Choose) {
        self.backend.choose(&mut self.step, choose.draw(self.chain.unread));
        self.chain.unread += 1;
    }
}
