//! Declares the architecture of Ministral 3: llama, but for YaRN's magnitude, which it does not
//! have.

use crate::model::architecture::Architecture;

pub(super) fn architecture() -> Architecture {
    Architecture {
        yarn_has_magnitude: false,
        ..Architecture::LLAMA
    }
}
