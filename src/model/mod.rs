//! The decoder: one forward pass for every architecture.

pub mod arch;
pub mod decoder;
pub mod spec;
pub mod weights;

pub use decoder::{Model, STEP_TOKENS};
