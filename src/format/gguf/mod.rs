//! The header of a GGUF file (versions 2 and 3, little-endian) is read as it arrives.
//!
//! The format is described in `docs/gguf.md` of the ggml project. Nothing is believed before it is
//! checked: counts and lengths are capped before memory is asked for, sums are checked, and tensors
//! lie aligned, apart, and inside what a u64 counts.

mod header;
mod input;
mod parse;
mod reader;
mod split;

pub use header::{
    Gguf, MAX_ALIGNMENT, MAX_COUNT, MAX_DIMS, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_STRING_BYTES,
    MAX_STRINGS, TensorInfo,
};
pub(super) use header::{alignment, size_bytes};
pub use reader::GgufReader;
pub use split::Split;
pub(crate) use split::wrong as wrong_split;
