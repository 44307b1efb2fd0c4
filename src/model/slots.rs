//! Keeps several conversations over one set of weights.
//!
//! A request goes to the slot that holds the longest beginning of it, so that conversations which
//! alternate are not read again at each turn. The policy is that of llama.cpp's server, which calls
//! them slots too, but that a beginning is copied where another conversation would lose its rest.

use super::{checkpoints::Checkpoints, reach::Reach};
use crate::backend::StateEntries;
use std::ops::Range;

/// Holds a KV cache and says what is in it.
pub(super) struct Slot<Cache> {
    /// Holds the keys and values.
    pub(super) cache: Cache,
    /// Lists the tokens whose keys and values are cached.
    pub(super) tokens: Vec<u32>,
    /// Holds the position from which on layers with a window hold theirs. Those before it gave way
    /// to later ones, some of which may have been removed since.
    pub(super) kept_from: usize,
    /// Tells which states it holds of layers that have them.
    pub(super) states: Checkpoints,
    /// Names those of the step that is being evaluated.
    pub(super) entries: StateEntries,
    /// Holds the scales of the adapters that the keys and values were computed with, without zeros
    /// at the end.
    pub(super) adapters: Vec<f32>,
    /// Tells when the slot was last selected: a number that grows with each selection, 0 for never.
    last_used: u64,
}

/// Holds the slots of a model, one of which is in use.
pub(super) struct Slots<Cache> {
    slots: Vec<Slot<Cache>>,
    current: usize,
    selections: u64,
    reach: Reach,
    /// Holds the scales of the adapters that the next requests want, as a slot holds its own.
    pub(super) wanted_adapters: Vec<f32>,
}

/// Tells what to do for a request to find its beginning cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// Names the slot to use.
    pub(super) slot: usize,
    /// Names the slot that holds the beginning, if it is another one.
    pub(super) copy_from: Option<usize>,
    /// Counts the tokens of the beginning.
    pub(super) kept_tokens: usize,
}

impl<Cache> Slots<Cache> {
    /// Makes a slot of each cache, and puts the first one to use. There must be one.
    pub(super) fn new(caches: Vec<Cache>, reach: Reach) -> Self {
        let slot = |cache| Slot {
            cache,
            tokens: Vec::new(),
            kept_from: 0,
            states: Checkpoints::default(),
            entries: StateEntries::default(),
            adapters: Vec::new(),
            last_used: 0,
        };
        Self {
            slots: caches.into_iter().map(slot).collect(),
            current: 0,
            selections: 0,
            reach,
            wanted_adapters: Vec::new(),
        }
    }

    /// Returns what layers with a window keep.
    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// Tells that a step begins, which writes these positions of the slot in use.
    pub(super) fn begin_step(&mut self, positions: Range<usize>) {
        let (reach, slot) = (self.reach, self.current_mut());
        slot.kept_from = slot.kept_from.max(reach.kept_from(positions.end));
        if reach.has_states() {
            slot.entries = slot.states.step(positions.start, positions.end);
        }
    }

    /// Returns the most tokens, up to `tokens`, behind which a slot can go on: it holds what a
    /// token there would see. Names the state there too.
    pub(super) fn reached(&self, slot: &Slot<Cache>, tokens: usize) -> (usize, usize) {
        let end = slot.tokens.len().min(tokens);
        let (state, end) = match self.reach.has_states() {
            true => slot.states.last(end).unwrap_or_default(),
            false => (0, end),
        };
        match self.reach.reaches(slot.kept_from, end) {
            true => (end, state),
            false => (0, state),
        }
    }

    /// Removes the tokens from position `tokens` on from the slot in use, and more where it does
    /// not hold what a token there would see.
    pub(super) fn rewind(&mut self, tokens: usize) {
        let (kept_tokens, _) = self.reached(self.current(), tokens);
        let slot = self.current_mut();
        slot.tokens.truncate(kept_tokens);
        if kept_tokens == 0 {
            slot.kept_from = 0;
        }
    }

    /// Returns the number of slots.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns the number of the slot in use.
    pub(super) fn current_index(&self) -> usize {
        self.current
    }

    /// Returns a slot by its number.
    pub(super) fn at(&self, slot: usize) -> &Slot<Cache> {
        &self.slots[slot]
    }

    /// Returns the slot in use.
    pub(super) fn current(&self) -> &Slot<Cache> {
        &self.slots[self.current]
    }

    /// Returns the slot in use.
    pub(super) fn current_mut(&mut self) -> &mut Slot<Cache> {
        &mut self.slots[self.current]
    }

    /// Puts a slot to use.
    pub(super) fn put_to_use(&mut self, slot: usize) {
        self.selections += 1;
        self.current = slot;
        self.slots[slot].last_used = self.selections;
    }

    /// Gives the slot in use the adapters that are wanted. If it had others, what it holds is of no
    /// use.
    pub(super) fn adopt_adapters(&mut self) {
        if self.current().adapters != self.wanted_adapters {
            let wanted = self.wanted_adapters.clone();
            self.rewind(0);
            self.current_mut().adapters = wanted;
        }
    }

    /// Returns two different slots, the second one to be changed.
    pub(super) fn pair(
        &mut self,
        from: usize,
        to: usize,
    ) -> Option<(&Slot<Cache>, &mut Slot<Cache>)> {
        let [from, to] = self.slots.get_disjoint_mut([from, to]).ok()?;
        Some((from, to))
    }

    /// Returns the slot that no request has used for the longest time. One that is empty comes
    /// first.
    pub(super) fn least_recently_used(&self) -> usize {
        let age = |slot: &Slot<Cache>| (!slot.tokens.is_empty(), slot.last_used);
        (0..self.slots.len())
            .min_by_key(|&i| age(&self.slots[i]))
            .unwrap_or_default()
    }

    /// Selects the slot for a request of `tokens`, of which the last one is always evaluated, for
    /// its logits.
    ///
    /// A slot whose tokens all begin the request goes on. Otherwise the request takes an empty slot
    /// if there is one; then the slot with the longest common beginning, if that is at least half
    /// of what it holds; and else the least recently used one. What it does not hold of the longest
    /// common beginning is copied. A beginning behind which a slot cannot go on is none, nor is one
    /// that was computed with other adapters.
    pub(super) fn select(&self, tokens: &[u32]) -> Selection {
        let most = tokens.len().saturating_sub(1);
        let common_tokens = |slot: &Slot<Cache>| {
            let pairs = slot.tokens.iter().zip(tokens);
            let common = pairs.take_while(|(a, b)| a == b).count().min(most);
            match slot.adapters == self.wanted_adapters {
                true => self.reached(slot, common).0,
                false => 0,
            }
        };
        let (best, kept_tokens) = (0..self.slots.len())
            .map(|i| (i, common_tokens(&self.slots[i])))
            .max_by_key(|&(i, common)| (common, self.slots[i].last_used))
            .unwrap_or_default();
        let held_tokens = self.slots[best].tokens.len();
        let oldest = self.least_recently_used();
        let goes_on = kept_tokens > 0 && kept_tokens == held_tokens;
        let is_worth_cutting = kept_tokens > 0 && 2 * kept_tokens >= held_tokens;
        let has_empty = self.slots[oldest].tokens.is_empty();
        let slot = match goes_on || (is_worth_cutting && !has_empty) {
            true => best,
            false => oldest,
        };
        Selection {
            slot,
            copy_from: Some(best).filter(|&best| best != slot && kept_tokens > 0),
            kept_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes slots that hold these tokens, used one after the other.
    fn slots(tokens: &[&[u32]]) -> Slots<()> {
        let mut slots = Slots::new(vec![(); tokens.len()], Reach::new([].iter(), 512));
        for (i, tokens) in tokens.iter().enumerate() {
            if !tokens.is_empty() {
                slots.put_to_use(i);
                slots.current_mut().tokens = tokens.to_vec();
            }
        }
        slots
    }

    fn selection(slot: usize, copy_from: Option<usize>, kept_tokens: usize) -> Selection {
        Selection {
            slot,
            copy_from,
            kept_tokens,
        }
    }

    #[test]
    fn a_conversation_goes_on_in_its_slot() {
        let slots = slots(&[&[1, 2, 3, 4], &[1, 2, 5], &[]]);
        assert_eq!(slots.select(&[1, 2, 3, 4, 6, 7]), selection(0, None, 4));
        assert_eq!(slots.select(&[1, 2, 5, 6]), selection(1, None, 3));
    }

    #[test]
    fn a_new_conversation_takes_an_empty_slot_and_a_copy_of_what_it_shares() {
        let slots = slots(&[&[1, 2, 3, 4], &[]]);
        assert_eq!(slots.select(&[1, 2, 3, 9]), selection(1, Some(0), 3));
        assert_eq!(slots.select(&[7, 8, 9]), selection(1, None, 0));
    }

    #[test]
    fn without_an_empty_slot_the_closest_is_cut_or_the_oldest_replaced() {
        let slots = slots(&[&[5, 6, 7, 8], &[1, 2, 3, 4]]);
        assert_eq!(
            slots.select(&[1, 2, 9]),
            selection(1, None, 2),
            "half of it stays"
        );
        assert_eq!(
            slots.select(&[1, 9, 9]),
            selection(0, Some(1), 1),
            "most of it would go"
        );
        assert_eq!(slots.select(&[9, 9]), selection(0, None, 0));
    }

    #[test]
    fn the_last_token_is_always_evaluated() {
        let slots = slots(&[&[1, 2, 3]]);
        assert_eq!(slots.select(&[1, 2, 3]), selection(0, None, 2));
        assert_eq!(slots.select(&[1]), selection(0, None, 0));
    }
}
