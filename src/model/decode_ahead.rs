//! Keeps the state of decoding on the device, several steps ahead of the host.

/// Tells what the device has sampled ahead of the host.
#[derive(Debug, Default)]
pub(super) struct DecodeAhead {
    /// Counts the steps whose sampled token the host has not read.
    pub(super) unread_steps: usize,
    /// Holds the number of cached tokens and the token after them at which the device's steps
    /// continue. `None` where the next step has to start again from the host.
    pub(super) next: Option<(usize, u32)>,
}

impl DecodeAhead {
    /// Makes the next step start again from the host.
    pub(super) fn end(&mut self) {
        self.next = None;
    }
}
