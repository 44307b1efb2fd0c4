//! Runs models: one forward pass serves every architecture.

pub mod arch;
pub mod config;
mod decode_ahead;
pub mod decoder;
mod step;
pub mod weights;

pub use decoder::{Model, STEP_TOKENS, StepMemory};
pub use step::StepOutcome;
