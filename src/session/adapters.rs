//! Chooses the LoRA adapters of a session.

use super::{
    Session,
    lora::{LoraScale, scales},
};
use crate::{Result, generate::Decoder};

impl<D: Decoder> Session<D> {
    /// Returns the scale of each adapter where a request names none.
    pub fn adapter_scales(&self) -> &[f32] {
        &self.adapter_scales
    }

    /// Sets the scale of each adapter for requests that name none, by its number; those beyond the
    /// end change nothing. Conversations go on only where they were read with the same adapters, so
    /// that one which comes back to its own is still cached.
    ///
    /// # Errors
    ///
    /// - `busy` while an answer is being written.
    /// - `invalid_argument` for more scales than there are adapters, and one that is not finite.
    pub fn use_adapters(&mut self, scales: &[f32]) -> Result<()> {
        self.check_idle()?;
        let decoder = self.generator.decoder_mut();
        decoder.use_adapters(scales)?;
        self.adapter_scales = decoder.adapter_scales();
        Ok(())
    }

    /// Returns the scales that a request asks for: its own, where adapters that it does not list
    /// have none, else those of the session.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for an adapter that does not exist.
    pub(super) fn scales_of(&self, lora: Option<&[LoraScale]>) -> Result<Vec<f32>> {
        match lora {
            None => Ok(self.adapter_scales.clone()),
            Some(lora) => scales(lora, self.adapter_scales.len()),
        }
    }

    /// Uses the adapters that requests use which name none.
    ///
    /// # Errors
    ///
    /// As [`Session::use_adapters`].
    pub(super) fn use_default_adapters(&mut self) -> Result<()> {
        let decoder = self.generator.decoder_mut();
        decoder.use_adapters(&self.adapter_scales)
    }
}
