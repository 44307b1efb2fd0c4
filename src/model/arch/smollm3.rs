//! Declares the architecture of SmolLM3: llama, but for every fourth layer, which has no rope.

use crate::model::architecture::Architecture;

pub(super) fn architecture() -> Architecture {
    Architecture {
        no_rope_every: Some(4),
        ..Architecture::LLAMA
    }
}
