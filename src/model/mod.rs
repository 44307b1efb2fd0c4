//! Runs models: one forward pass serves every architecture.

pub mod arch;
pub mod config;
mod decode_ahead;
pub mod decoder;
pub mod slot_state;
mod slots;
mod step;
pub mod weights;

pub use decoder::{Model, STEP_TOKENS};
pub use slot_state::SlotState;
pub use step::StepOutcome;
