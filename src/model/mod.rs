//! The decoder: one forward pass for every architecture.

pub mod arch;
pub mod config;
mod decode_ahead;
pub mod decoder;
pub mod weights;

pub use decoder::{Model, Outcome, STEP_TOKENS};
