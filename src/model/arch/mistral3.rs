//! Declares the architecture of Ministral 3: llama, whose rope is scaled by YaRN, as the metadata
//! says.

use crate::model::architecture::Architecture;

pub(super) fn architecture() -> Architecture {
    Architecture::LLAMA
}
