//! Turns logits into text: samples, stops and streams.

mod answer;
pub mod checked;
pub mod choice;
mod context_shift;
pub mod decoder;
mod drafts;
pub mod event;
pub mod generator;
pub mod options;
pub mod prefill_chunker;
pub mod rng;
pub mod sampler;
mod speculation;
pub mod stop;
pub mod vocabulary;

pub use crate::model::{STEP_TOKENS, SlotState, StepOutcome};
pub use decoder::Decoder;
pub use vocabulary::Vocabulary;
