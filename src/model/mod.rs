//! The decoder: one forward pass for every architecture.

pub mod arch;
mod chain;
pub mod decoder;
pub mod spec;
pub mod weights;

pub use decoder::{Model, Outcome, STEP_TOKENS};
