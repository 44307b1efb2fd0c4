//! Tells what a model will take of memory, before its weights are fetched.

use crate::{
    Code, Error, Result,
    backend::Backend,
    format::gguf::TensorInfo,
    model::{config::ModelConfig, layer_inputs::TABLE},
};
use serde::Serialize;

/// Memory is tried in pieces of at most this size, 1 GiB in wasm, for a single allocation may not
/// have half of the address space.
const PIECE_BYTES: u64 = (isize::MAX as u64).div_ceil(2);

/// Holds what a model takes of the host's memory, as far as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryEstimate {
    /// Counts the bytes of the weights, laid out for the backend.
    pub weights_bytes: u64,
    /// Counts the bytes of the KV caches of all slots.
    pub cache_bytes: u64,
    /// Counts the bytes of a step's activations.
    pub step_bytes: u64,
    /// Counts the bytes of adapters that came before the model.
    pub adapters_bytes: u64,
}

impl MemoryEstimate {
    /// Estimates the memory of a model with these tensors, and with a KV cache of `context_tokens`
    /// positions in each of `slots` slots.
    pub fn new<B: Backend>(
        backend: &B,
        config: &ModelConfig,
        tensors: &[TensorInfo],
        context_tokens: usize,
        slots: usize,
    ) -> Self {
        let cache_bytes =
            backend.cache_bytes(&config.dims, &config.cache_size(context_tokens)) as u64;
        let step_bytes = backend.step_bytes(&config.dims, config.step_tokens(context_tokens));
        Self {
            weights_bytes: tensors.iter().fold(0, |sum, tensor| {
                sum.saturating_add(tensor_bytes(backend, tensor))
            }),
            cache_bytes: cache_bytes.saturating_mul(slots as u64),
            step_bytes: step_bytes.saturating_add(config.text_bytes(context_tokens)),
            adapters_bytes: 0,
        }
    }

    /// Returns the sum.
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes
            .saturating_add(self.cache_bytes)
            .saturating_add(self.step_bytes)
            .saturating_add(self.adapters_bytes)
    }

    /// Checks that the host gives this memory, by asking for it and giving it back. It is not
    /// written, so that it takes no room until the weights come; in wasm the address space that it
    /// grew stays for them.
    ///
    /// # Errors
    ///
    /// `out_of_memory`.
    pub(super) fn check(&self) -> Result<()> {
        if can_allocate(self.total_bytes()) {
            return Ok(());
        }
        const MB: u64 = 1_000_000;
        let [weights, cache] = [self.weights_bytes, self.cache_bytes].map(|n| n.div_ceil(MB));
        let advice = if can_allocate(self.total_bytes() - self.cache_bytes) {
            "Ask for a shorter context"
        } else {
            "Close other tabs, or choose a smaller model"
        };
        Err(Error::new(
            Code::OutOfMemory,
            format!(
                "There is no memory for the model: its weights take {weights} MB and its context \
                 {cache} MB. {advice}."
            ),
        ))
    }
}

/// Returns the bytes that a tensor takes: as the backend lays it out, or as it is in the file.
pub(super) fn tensor_bytes<B: Backend>(backend: &B, tensor: &TensorInfo) -> u64 {
    match tensor.name == TABLE {
        true => tensor.size_bytes,
        false => {
            let (rows, cols) = (tensor.rows() as usize, tensor.cols() as usize);
            backend.weight_bytes(tensor.dtype, rows, cols)
        }
    }
}

/// Returns whether the allocator has this number of bytes.
fn can_allocate(bytes: u64) -> bool {
    let mut pieces = Vec::new();
    let mut left_bytes = bytes;
    while left_bytes > 0 {
        let piece_bytes = left_bytes.min(PIECE_BYTES);
        let mut piece = Vec::<u8>::new();
        if piece.try_reserve_exact(piece_bytes as usize).is_err() {
            return false;
        }
        // What nobody looks at may be left out by the compiler.
        pieces.push(std::hint::black_box(piece));
        left_bytes -= piece_bytes;
    }
    true
}
