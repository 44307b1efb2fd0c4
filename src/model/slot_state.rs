//! Chooses a slot for a request, and takes what a slot holds out of the model or puts it back.

use super::{checkpoints::Checkpoints, decoder::Model};
use crate::{Code, Error, Result, backend::Backend};

/// Holds the tokens of a slot with their keys and values, in a form that every backend takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotState {
    /// Lists the tokens, from position 0 on.
    pub tokens: Vec<u32>,
    /// Holds the bits of f16, as [`Backend::export`] lays them out. Of layers with a window it has
    /// the last tokens, from the same one on in all of them, and of layers with a state that of the
    /// last token.
    pub kv: Vec<u16>,
    /// Holds the scales of the adapters that these were computed with, as [`Model::use_adapters`]
    /// takes them, without zeros at the end.
    pub adapters: Vec<f32>,
}

impl<B: Backend> Model<B> {
    /// Returns the number of slots.
    pub fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// Returns the memory that the KV caches of all slots take, in bytes.
    pub fn kv_cache_bytes(&self) -> usize {
        let size = self.config.cache_size(self.context_tokens);
        self.slots.len() * self.backend.cache_bytes(&self.config.dims, &size)
    }

    /// Removes the tokens from position `tokens` on from the KV cache of the slot in use. Returns
    /// the number of tokens that remain, which callers go by: none where layers with a window no
    /// longer hold what the next token would see, and as many as the last state has seen where
    /// layers have states.
    pub fn rewind(&mut self, tokens: usize) -> usize {
        self.slots.rewind(tokens);
        self.forget_steps();
        self.cached_tokens()
    }

    /// Sets the scale of each adapter for the requests that come, by its number. Those beyond the
    /// end change nothing. A slot that holds tokens goes on with the adapters that it has until it
    /// is selected anew.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for more scales than there are adapters, and one that is not finite.
    pub fn use_adapters(&mut self, scales: &[f32]) -> Result<()> {
        if scales.len() > self.adapters || scales.iter().any(|scale| !scale.is_finite()) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!(
                    "{scales:?} are no scales of the model's {} adapters. Give each a number.",
                    self.adapters
                ),
            ));
        }
        self.slots.wanted_adapters = in_use(scales).to_vec();
        if self.cached_tokens() == 0 {
            self.adopt_adapters();
            self.forget_steps();
        }
        Ok(())
    }

    /// Takes note of the adapters that weights have changes of, and uses each at its scale.
    ///
    /// # Errors
    ///
    /// As [`Model::use_adapters`].
    pub(crate) fn begin_with_adapters(&mut self, scales: &[f32]) -> Result<()> {
        self.adapters = scales.len();
        self.use_adapters(scales)
    }

    /// Returns the scale of each adapter for the requests that come.
    pub fn adapter_scales(&self) -> Vec<f32> {
        let mut scales = self.slots.wanted_adapters.clone();
        scales.resize(self.adapters, 0.0);
        scales
    }

    /// Returns whether a state was computed with the adapters that are wanted.
    pub fn suits(&self, state: &SlotState) -> bool {
        state.adapters == self.slots.wanted_adapters
    }

    /// Makes the slot in use one of the adapters that are wanted.
    fn adopt_adapters(&mut self) {
        self.slots.adopt_adapters();
        self.backend.set_adapters(&self.slots.current().adapters);
    }

    /// Puts a slot to use for a request of `tokens`, and returns the number of tokens at their
    /// beginning that are cached in it. The last one never is: it is evaluated for its logits.
    ///
    /// The slot is the one with the longest common beginning, or an empty or the least recently
    /// used one, to which that beginning is copied.
    pub fn select_slot(&mut self, tokens: &[u32]) -> usize {
        let (selection, reach) = (self.slots.select(tokens), self.slots.reach());
        let copied = selection
            .copy_from
            .and_then(|from| self.slots.pair(from, selection.slot));
        if let Some((from, to)) = copied {
            let kept_tokens = selection.kept_tokens;
            let (entry, seen) = from.states.last(kept_tokens).unwrap_or_default();
            let positions =
                reach.ranges(self.config.attentions(), from.kept_from, kept_tokens, entry);
            self.backend
                .copy_cache(&from.cache, &mut to.cache, &positions);
            to.tokens.clear();
            to.tokens.extend_from_slice(&from.tokens[..kept_tokens]);
            to.kept_from = from.kept_from;
            to.states = Checkpoints::one(entry, seen);
            to.adapters.clone_from(&from.adapters);
        }
        self.slots.put_to_use(selection.slot);
        self.adopt_adapters();
        self.rewind(selection.kept_tokens)
    }

    /// Puts the slot to use that no request has used for the longest time, and returns what it
    /// holds.
    ///
    /// # Errors
    ///
    /// `out_of_memory`, and those of the GPU. The slot in use is still the same then.
    pub async fn export_oldest_slot(&mut self) -> Result<SlotState> {
        let slot = self.slots.least_recently_used();
        let state = self.export(slot, usize::MAX).await?;
        self.slots.put_to_use(slot);
        self.adopt_adapters();
        self.forget_steps();
        Ok(state)
    }

    /// Returns what the slot in use holds.
    ///
    /// # Errors
    ///
    /// `out_of_memory`, and those of the GPU.
    pub async fn export_slot(&mut self) -> Result<SlotState> {
        self.export_beginning(usize::MAX).await
    }

    /// Returns at most the first `max_tokens` tokens of what the slot in use holds, as many as
    /// [`Model::rewind`] would keep.
    ///
    /// # Errors
    ///
    /// `out_of_memory`, and those of the GPU.
    pub async fn export_beginning(&mut self, max_tokens: usize) -> Result<SlotState> {
        self.export(self.slots.current_index(), max_tokens).await
    }

    async fn export(&mut self, slot: usize, max_tokens: usize) -> Result<SlotState> {
        let slot = self.slots.at(slot);
        let reach = self.slots.reach();
        let (end, state) = self.slots.reached(slot, max_tokens);
        let tokens = slot.tokens[..end].to_vec();
        let positions = reach.ranges(self.config.attentions(), slot.kept_from, end, state);
        let kv = self
            .backend
            .export(&self.config.dims, &slot.cache, &positions)
            .await?;
        let adapters = slot.adapters.clone();
        Ok(SlotState {
            tokens,
            kv,
            adapters,
        })
    }

    /// Checks what is to be put into a slot.
    ///
    /// # Errors
    ///
    /// - `context_full` when the tokens do not fit the KV cache.
    /// - `invalid_argument` when a token is outside the vocabulary, or the sizes are another
    ///   model's.
    pub fn check_state(&self, state: &SlotState) -> Result<()> {
        if self.kept_from(state).is_none() || state.adapters.len() > self.adapters {
            return Err(Error::new(
                Code::InvalidArgument,
                format!(
                    "{} numbers are not the keys and values of {} tokens in this model. They \
                     belong to another one.",
                    state.kv.len(),
                    state.tokens.len()
                ),
            ));
        }
        self.check_tokens(&state.tokens, 0)
    }

    /// Replaces what the slot in use holds.
    ///
    /// # Errors
    ///
    /// As [`Model::check_state`]. They leave the slot as it was.
    pub fn import_slot(&mut self, state: &SlotState) -> Result<()> {
        self.check_state(state)?;
        self.forget_steps();
        let (kept_from, end) = (
            self.kept_from(state).unwrap_or_default(),
            state.tokens.len(),
        );
        let reach = self.slots.reach();
        let positions = reach.ranges(self.config.attentions(), kept_from, end, 0);
        let slot = self.slots.current_mut();
        self.backend
            .import(&self.config.dims, &mut slot.cache, &positions, &state.kv);
        slot.tokens.clone_from(&state.tokens);
        slot.adapters.clone_from(&state.adapters);
        self.backend.set_adapters(&slot.adapters);
        slot.kept_from = kept_from.max(reach.kept_from(end));
        slot.states = Checkpoints::one(0, end);
        Ok(())
    }

    /// Returns the position from which on `state` has those of layers with a window. `None` if its
    /// sizes are another model's, or a token behind it would see an earlier one.
    fn kept_from(&self, state: &SlotState) -> Option<usize> {
        let (dims, reach, end) = (&self.config.dims, self.slots.reach(), state.tokens.len());
        let [all, least] = [0, end].map(|kept_from| {
            let positions = reach.ranges(self.config.attentions(), kept_from, end, 0);
            let layers = positions.iter().enumerate();
            // All positions of layers with a window may be more than wasm can count.
            let numbers =
                layers.map(|(layer, it)| it.len() as u64 * dims.layer_numbers(layer) as u64);
            numbers.sum::<u64>()
        });
        // Each token that layers with a window lack is missing in all of them.
        let missing = all.checked_sub(state.kv.len() as u64)?;
        let of_token = (all - least).checked_div(end as u64).unwrap_or_default();
        let kept_from = missing.checked_div(of_token).unwrap_or_default();
        let is_whole = kept_from * of_token == missing && kept_from <= end as u64;
        let kept_from = kept_from as usize;
        (is_whole && reach.reaches(kept_from, end)).then_some(kept_from)
    }
}

/// Returns the scales of adapters without zeros at the end.
pub(crate) fn in_use(scales: &[f32]) -> &[f32] {
    let last = scales.iter().rposition(|&scale| scale != 0.0);
    &scales[..last.map_or(0, |last| last + 1)]
}
