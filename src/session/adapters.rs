//! Switches the LoRA adapters of a session's model.

use super::{Session, engine::AnyModel};
use crate::Result;

impl Session<AnyModel> {
    /// Sets the scale of each adapter for the requests that come, by its number; those beyond the
    /// end change nothing. Conversations go on only where they were read with the same adapters, so
    /// that one which comes back to its own is still cached.
    ///
    /// # Errors
    ///
    /// - `busy` while an answer is being written.
    /// - `invalid_argument` for more scales than there are adapters, and one that is not finite.
    pub fn use_adapters(&mut self, scales: &[f32]) -> Result<()> {
        self.check_idle()?;
        self.generator.decoder_mut().use_adapters(scales)
    }
}
