//! Keeps the beginnings of conversations that many requests share: those of a system message and
//! its examples, for instance. A page may store them, so that not even its next visit reads them.
//!
//! A slot keeps a beginning only until another conversation takes it. What is kept here comes back
//! into a slot when a request begins with it.

use crate::{Result, generate::Decoder, model::SlotState};

/// Limits the memory of the prefixes. The least recently used ones are forgotten; the newest is
/// kept, however long it is.
const BUDGET_BYTES: usize = 64 << 20;

/// Holds the prefixes that are kept, the most recently used one last.
#[derive(Default)]
pub(super) struct Prefixes(Vec<SlotState>);

impl Prefixes {
    /// Keeps a prefix, in place of one of the same tokens.
    pub(super) fn keep(&mut self, state: SlotState) {
        let is_same =
            |kept: &SlotState| (&kept.tokens, &kept.adapters) == (&state.tokens, &state.adapters);
        self.0.retain(|kept| !is_same(kept));
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
        let suitable = (0..self.0.len()).filter(|&i| decoder.suits(&self.0[i]));
        let best = suitable.max_by_key(|&i| common_tokens(&self.0[i]));
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

    /// Returns the prefix of these tokens that was computed with these adapters, if it is kept.
    pub(super) fn get(&self, tokens: &[u32], adapters: &[f32]) -> Option<&SlotState> {
        let is_wanted = |kept: &&SlotState| kept.tokens == tokens && kept.adapters == adapters;
        self.0.iter().find(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(token: u32, kv_bytes: usize) -> SlotState {
        SlotState {
            tokens: vec![token],
            kv: vec![0; kv_bytes / 2],
            ..SlotState::default()
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
