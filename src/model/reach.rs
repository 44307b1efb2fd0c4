//! How far back a KV cache reaches. Layers whose tokens see a window keep their last positions
//! alone, and layers with a state keep few states, so that a conversation cannot go on from just
//! anywhere.

use super::checkpoints::STATES;
use crate::backend::{Attention, CacheSize};
use std::ops::Range;

/// Limits the number of tokens in one step (llama.cpp's micro-batch, `n_ubatch`). A longer prompt
/// takes several steps.
pub const STEP_TOKENS: usize = 64;

/// Layers with a window keep this number of positions more than a step needs: drafts and steps
/// ahead that come to nothing, and an end of an answer that is written anew, then cost no tokens
/// again.
const RESERVE_TOKENS: usize = 192;

/// Tells what layers with a window keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Counts the last positions that a token sees in each of these layers, itself included; the
    /// context's if no layer has a window.
    window: usize,
    /// Counts the positions that each of these layers has room for.
    room: usize,
    /// Counts the layers whose past is a state.
    state_layers: usize,
}

impl Reach {
    /// Returns what layers that attend so keep in a context of `context_tokens`.
    pub(super) fn new<'a>(
        layers: impl Iterator<Item = &'a Attention>,
        context_tokens: usize,
    ) -> Self {
        let windows = layers.map(|attention| attention.window as usize);
        let window = windows.filter(|&window| window < context_tokens).max();
        let window = window.unwrap_or(context_tokens);
        let more = (STEP_TOKENS + RESERVE_TOKENS).next_multiple_of(CacheSize::MULTIPLE);
        let room = match context_tokens - window > more + CacheSize::MULTIPLE {
            true => (window + more).next_multiple_of(CacheSize::MULTIPLE),
            false => context_tokens,
        };
        Self {
            window,
            room,
            state_layers: 0,
        }
    }

    /// Returns the same with so many layers more, whose past is a state.
    pub(super) fn with_states(self, state_layers: usize) -> Self {
        Self {
            state_layers,
            ..self
        }
    }

    /// Returns whether layers have states.
    pub(super) fn has_states(self) -> bool {
        self.state_layers > 0
    }

    /// Returns whether a layer that attends so keeps its last positions alone.
    fn is_windowed(self, attention: &Attention) -> bool {
        attention.window as usize <= self.window
    }

    /// Returns the size of the cache of layers that attend so.
    pub(super) fn cache_size<'a>(
        self,
        layers: impl Iterator<Item = &'a Attention>,
        context_tokens: usize,
    ) -> CacheSize {
        let room = |attention| match self.is_windowed(attention) {
            true => self.room,
            false => context_tokens,
        };
        CacheSize {
            context_tokens,
            layers: (layers.map(room))
                .chain(vec![STATES; self.state_layers])
                .collect(),
        }
    }

    /// Returns the positions that each of the layers holds, where those with a window hold them
    /// from `kept_from` on and the others all, up to `end`. Layers with a state come last, whose
    /// state is `state`.
    pub(super) fn ranges<'a>(
        self,
        layers: impl Iterator<Item = &'a Attention>,
        kept_from: usize,
        end: usize,
        state: usize,
    ) -> Vec<Range<usize>> {
        let first = |attention| match self.is_windowed(attention) {
            true => kept_from.min(end),
            false => 0,
        };
        let states = vec![state..state + usize::from(end > 0); self.state_layers];
        layers
            .map(|attention| first(attention)..end)
            .chain(states)
            .collect()
    }

    /// Returns from where on positions are kept once those up to `end` have been written.
    pub(super) fn kept_from(self, end: usize) -> usize {
        end.saturating_sub(self.room)
    }

    /// Returns whether a token at `position` finds what it sees where positions are kept from
    /// `kept_from` on.
    pub(super) fn reaches(self, kept_from: usize, position: usize) -> bool {
        kept_from == 0 || position + 1 >= kept_from + self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(window: u32) -> Attention {
        Attention {
            window,
            ..Attention::full(64)
        }
    }

    #[test]
    fn layers_with_a_window_keep_it_and_a_step_and_a_reserve() {
        let layers = [attention(512), attention(u32::MAX)];
        let reach = Reach::new(layers.iter(), 4096);
        assert_eq!(reach.cache_size(layers.iter(), 4096).layers, [768, 4096]);
        assert_eq!(reach.ranges(layers.iter(), 100, 900, 3), [100..900, 0..900]);
        let with_states = reach.with_states(1);
        assert_eq!(
            with_states.ranges(layers.iter(), 100, 900, 3),
            [100..900, 0..900, 3..4]
        );
        assert_eq!([700, 768, 900].map(|end| reach.kept_from(end)), [0, 0, 132]);
        assert!(reach.reaches(0, 3), "everything is kept");
        assert!(reach.reaches(132, 643));
        assert!(!reach.reaches(132, 642), "its token would see position 131");
    }

    #[test]
    fn a_context_that_is_shorter_is_kept_whole() {
        for window in [512, 600, 700, 4096, u32::MAX] {
            let layers = [attention(window), attention(u32::MAX)];
            let reach = Reach::new(layers.iter(), 700);
            let size = reach.cache_size(layers.iter(), 700);
            assert_eq!(size, CacheSize::whole(2, 700), "{window}");
            assert_eq!(reach.kept_from(700), 0);
        }
    }
}
