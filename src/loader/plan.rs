//! Tells what a header says of a model, before its weights are fetched.

use super::{Loader, loaded::FileInfo, memory_estimate::MemoryEstimate};
use crate::backend::Backend;
use serde::Serialize;

/// Holds what a load will bring, and what it will take.
#[derive(Clone, Debug, Serialize)]
pub struct LoadPlan {
    /// Holds what the file says of itself. In JSON its fields are beside those below.
    #[serde(flatten)]
    pub file: FileInfo,
    /// Tells how many tokens the KV cache will hold.
    pub context_tokens: usize,
    /// Counts the slots.
    pub slots: usize,
    /// Holds the memory that the model will take.
    #[serde(flatten)]
    pub memory: MemoryEstimate,
}

impl<B: Backend> Loader<B> {
    /// Returns what the header says, or `None` until the whole of it was pushed.
    pub fn plan(&self) -> Option<LoadPlan> {
        let tensors = self.tensors()?;
        let (backend, config) = (&tensors.backend, &tensors.config);
        let (context_tokens, slots) = (tensors.context_tokens, tensors.slots);
        Some(LoadPlan {
            file: tensors.file.clone(),
            context_tokens,
            slots,
            memory: MemoryEstimate::new(backend, config, &tensors.tensors, context_tokens, slots),
        })
    }
}
