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
    /// Returns what the header says, or `None` until the whole of it was pushed. Of a split model
    /// whose other headers have not come, the sizes are estimated.
    pub fn plan(&self) -> Option<LoadPlan> {
        let tensors = self.tensors()?;
        let whole_per_known = tensors.whole_per_known();
        let scaled = |n: u64| (n as f64 * whole_per_known) as u64;
        let (mut file, mut memory) = (tensors.file.clone(), tensors.estimate(&tensors.tensors));
        for count in [
            &mut file.parameter_count,
            &mut file.size_bytes,
            &mut memory.weights_bytes,
        ] {
            *count = scaled(*count);
        }
        Some(LoadPlan {
            file,
            context_tokens: tensors.context_tokens,
            slots: tensors.slots,
            memory,
        })
    }
}
