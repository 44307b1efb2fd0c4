//! The states that a slot keeps of layers whose past is a state. A state cannot be cut, so that a
//! conversation goes on from a position of which there is one.
//!
//! A step never writes the state that it goes on from: whatever becomes of it, that state is there
//! still. What is kept beside the two that decoding writes in turn are the ends of the last steps
//! of the prompt, from which an answer is written anew.

use crate::backend::StateEntries;

/// Counts the states of a slot: two that decoding writes in turn, the end of the prompt, where an
/// answer begins, and the end of the step before, from where the last token of a prompt can be
/// evaluated again.
pub(super) const STATES: usize = 4;

/// Tells what a state has seen.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Counts the tokens.
    tokens: usize,
    /// Tells whether it was written by a step of one token.
    is_decoded: bool,
}

/// Tells which states a slot holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Checkpoints([Option<State>; STATES]);

impl Checkpoints {
    /// Returns a slot's states where it holds that of so many tokens alone. No tokens are no state:
    /// what goes on from there begins with zeros.
    pub(super) fn one(entry: usize, tokens: usize) -> Self {
        let mut states = Self::default();
        states.0[entry] = (tokens > 0).then_some(State {
            tokens,
            is_decoded: false,
        });
        states
    }

    /// Returns the state of the most tokens up to `tokens`, and their number.
    pub(super) fn last(&self, tokens: usize) -> Option<(usize, usize)> {
        let held = self.0.iter().enumerate();
        held.filter_map(|(entry, state)| Some((entry, state.as_ref()?.tokens)))
            .filter(|&(_, seen)| seen <= tokens)
            .max_by_key(|&(_, seen)| seen)
    }

    /// Returns the states of a step of tokens at these positions, which goes on from that of those
    /// before it. Later ones are forgotten.
    pub(super) fn step(&mut self, begin: usize, end: usize) -> StateEntries {
        for state in &mut self.0 {
            *state = state.filter(|state| state.tokens <= begin);
        }
        let from = self.last(begin);
        let from = from.filter(|&(_, seen)| seen == begin && begin > 0);
        let from = from.map(|(entry, _)| entry);
        debug_assert!(from.is_some() || begin == 0, "no state of {begin} tokens");
        let worth = |entry: &usize| self.0[*entry].map(|state| (!state.is_decoded, state.tokens));
        let others = (0..STATES).filter(|&entry| Some(entry) != from);
        let to = others.min_by_key(worth).unwrap_or_default();
        self.0[to] = Some(State {
            tokens: end,
            is_decoded: end == begin + 1,
        });
        StateEntries { from, to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(states: &Checkpoints) -> Vec<usize> {
        let mut held: Vec<usize> = states.0.iter().flatten().map(|it| it.tokens).collect();
        held.sort_unstable();
        held
    }

    #[test]
    fn decoding_keeps_the_ends_of_the_prompts_last_steps() {
        let mut states = Checkpoints::default();
        for end in [64, 128, 192, 256, 300] {
            let begin = states.last(1000).map_or(0, |(_, seen)| seen);
            let entries = states.step(begin, end);
            assert_ne!(entries.from, Some(entries.to));
            assert_eq!(entries.from.is_some(), begin > 0);
        }
        assert_eq!(held(&states), [128, 192, 256, 300]);
        for begin in 300..340 {
            let entries = states.step(begin, begin + 1);
            assert_ne!(entries.from, Some(entries.to));
        }
        assert_eq!(held(&states), [256, 300, 339, 340]);
        assert_eq!(states.last(338).map(|(_, seen)| seen), Some(300));
        assert_eq!(states.last(255), None);
        // The next prompt takes the place of what was decoded, but for what it goes on from.
        states.step(340, 404);
        states.step(404, 410);
        assert_eq!(held(&states), [256, 300, 404, 410]);
        // What was cut is forgotten, and a step that came to nothing with it.
        states.step(300, 310);
        assert_eq!(held(&states), [256, 300, 310]);
        states.step(300, 333);
        assert_eq!(held(&states), [256, 300, 333]);
    }
}
