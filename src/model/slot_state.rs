//! Chooses a slot for a request, and takes what a slot holds out of the model or puts it back.

use super::decoder::Model;
use crate::{Code, Error, Result, backend::Backend};

/// Holds the tokens of a slot with their keys and values, in a form that every backend takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotState {
    /// Lists the tokens, from position 0 on.
    pub tokens: Vec<u32>,
    /// Holds the bits of f16, `[layers, k | v, kv_heads, tokens, head_dim]`.
    pub kv: Vec<u16>,
}

impl<B: Backend> Model<B> {
    /// Returns the number of slots.
    pub fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// Returns the memory that the KV caches of all slots take, in bytes.
    pub fn kv_cache_bytes(&self) -> usize {
        let bytes = self
            .backend
            .cache_bytes(&self.config.dims, self.context_tokens);
        self.slots.len() * bytes
    }

    /// Puts a slot to use for a request of `tokens`, and returns the number of tokens at their
    /// beginning that are cached in it. The last one never is: it is evaluated for its logits.
    ///
    /// The slot is the one with the longest common beginning, or an empty or the least recently
    /// used one, to which that beginning is copied.
    pub fn select_slot(&mut self, tokens: &[u32]) -> usize {
        let selection = self.slots.select(tokens);
        let copied = selection
            .copy_from
            .and_then(|from| self.slots.pair(from, selection.slot));
        if let Some((from, to)) = copied {
            self.backend
                .copy_cache(&from.cache, &mut to.cache, selection.kept_tokens);
            to.tokens.clear();
            to.tokens
                .extend_from_slice(&from.tokens[..selection.kept_tokens]);
        }
        self.slots.put_to_use(selection.slot);
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

    /// Returns at most the first `max_tokens` tokens of what the slot in use holds.
    ///
    /// # Errors
    ///
    /// `out_of_memory`, and those of the GPU.
    pub async fn export_beginning(&mut self, max_tokens: usize) -> Result<SlotState> {
        self.export(self.slots.current_index(), max_tokens).await
    }

    async fn export(&mut self, slot: usize, max_tokens: usize) -> Result<SlotState> {
        let slot = self.slots.at(slot);
        let tokens = slot.tokens[..slot.tokens.len().min(max_tokens)].to_vec();
        let kv = self
            .backend
            .export(&self.config.dims, &slot.cache, 0..tokens.len())
            .await?;
        Ok(SlotState { tokens, kv })
    }

    /// Checks what is to be put into a slot.
    ///
    /// # Errors
    ///
    /// - `context_full` when the tokens do not fit the KV cache.
    /// - `invalid_argument` when a token is outside the vocabulary, or the sizes are another
    ///   model's.
    pub fn check_state(&self, state: &SlotState) -> Result<()> {
        let tokens = &state.tokens;
        let dims = &self.config.dims;
        let elements = 2 * dims.layers * dims.kv_heads * dims.head_dim * tokens.len();
        if state.kv.len() != elements {
            return Err(Error::new(
                Code::InvalidArgument,
                format!(
                    "The keys and values of {} tokens are {} numbers, where this model has \
                     {elements}. They belong to another model.",
                    tokens.len(),
                    state.kv.len()
                ),
            ));
        }
        self.check_tokens(tokens, 0)
    }

    /// Replaces what the slot in use holds.
    ///
    /// # Errors
    ///
    /// As [`Model::check_state`]. They leave the slot as it was.
    pub fn import_slot(&mut self, state: &SlotState) -> Result<()> {
        self.check_state(state)?;
        self.forget_steps();
        let slot = self.slots.current_mut();
        self.backend
            .import(&self.config.dims, &mut slot.cache, 0, &state.kv);
        slot.tokens.clone_from(&state.tokens);
        Ok(())
    }
}
