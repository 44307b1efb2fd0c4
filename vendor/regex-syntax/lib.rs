//! Is the crate regex-syntax with fewer tables of Unicode.
pub use tables::*;
