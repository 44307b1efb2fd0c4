//! Runs models: one forward pass serves every architecture.

pub mod arch;
pub mod architecture;
mod checkpoints;
pub mod config;
mod decode_ahead;
pub mod decoder;
pub mod encoder;
mod encoder_weights;
mod forward;
mod keys;
pub mod layer_inputs;
pub mod layer_weights;
pub mod layers;
mod memory;
pub mod pooling;
mod reach;
pub mod rope;
pub mod slot_state;
mod slots;
mod step;
pub mod tensor_selection;
pub(crate) mod unfuse;
pub mod weights;

pub use decoder::Model;
pub use memory::StepMemory;
pub use reach::STEP_TOKENS;
pub use slot_state::SlotState;
pub use step::StepOutcome;
