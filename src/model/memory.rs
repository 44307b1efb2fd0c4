//! The memory of a model beside its weights, which can be allocated before they have come.

use super::{config::ModelConfig, slots::Slots};
use crate::{Result, backend::Backend};

/// Holds the KV caches of a model, and the activations of its steps.
pub struct StepMemory<B: Backend> {
    pub(super) slots: Slots<B::Cache>,
    pub(super) step: B::Step,
    pub(super) context_tokens: usize,
}

impl<B: Backend> StepMemory<B> {
    /// Allocates a KV cache for `context_tokens` tokens in each of `slots` slots, at least one, and
    /// the activations of a step.
    ///
    /// # Errors
    ///
    /// `out_of_memory`, or those of the GPU.
    pub fn new(
        backend: &mut B,
        config: &ModelConfig,
        context_tokens: usize,
        slots: usize,
    ) -> Result<Self> {
        let size = config.cache_size(context_tokens);
        let caches = (0..slots.max(1))
            .map(|_| backend.cache(&config.dims, &size))
            .collect::<Result<_>>()?;
        Ok(Self {
            slots: Slots::new(caches, config.reach(context_tokens)),
            step: backend.step(&config.dims, config.step_tokens(context_tokens))?,
            context_tokens,
        })
    }
}
