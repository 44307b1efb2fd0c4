//! Waiting for the device: the end of what was submitted, and bytes on their way to the host.

use super::handle::{Handle, lost};
use crate::{Error, Result, host};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The longest pause between two nudges of a browser that is polled. The first ones come sooner;
/// each is work for the browser too.
pub const MAX_PAUSE_MS: u32 = 4;
/// The pause between two looks whether the device takes too long.
const LONG_PAUSE_MS: u32 = 1000;

/// A signal that a callback of the device raises once; it says whether all went well.
#[derive(Clone, Debug, Default)]
struct Signal(Arc<Mutex<(Option<bool>, Option<Waker>)>>);

impl Signal {
    fn state(&self) -> MutexGuard<'_, (Option<bool>, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn raise(&self, well: bool) {
        let mut state = self.state();
        state.0 = Some(well);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<bool> {
        let mut state = self.state();
        match state.0 {
            Some(well) => Poll::Ready(well),
            None => {
                state.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Waits until it was raised, and tells whether all went well. It did not if nobody raised it
    /// for as long as the device may take. Pauses are counted and not the time, of which a computer
    /// that sleeps loses hours.
    async fn wait(&self, device: &Handle) -> bool {
        let mut waited_ms = 0;
        let mut pause_ms = if device.is_polled {
            1
        } else {
            LONG_PAUSE_MS.min(device.patience_ms)
        };
        while waited_ms < device.patience_ms {
            let mut pause = pin!(host::pause(pause_ms));
            let waited = poll_fn(|context| match self.poll(context) {
                Poll::Ready(well) => Poll::Ready(Some(well)),
                Poll::Pending => pause.as_mut().poll(context).map(|()| None),
            });
            if let Some(well) = waited.await {
                return well;
            }
            waited_ms += pause_ms;
            if device.is_polled {
                device.nudge();
                pause_ms = MAX_PAUSE_MS.min(2 * pause_ms);
            }
        }
        device.lose();
        false
    }
}

/// The end of all work that was submitted before it.
#[derive(Debug)]
pub struct Fence {
    signal: Signal,
    submission: wgpu::SubmissionIndex,
}

impl Fence {
    /// Asks to be told when the device has done what was submitted up to `submission`.
    pub fn after(device: &Handle, submission: wgpu::SubmissionIndex) -> Self {
        let signal = Signal::default();
        let raised = signal.clone();
        device
            .queue
            .on_submitted_work_done(move || raised.raise(true));
        device.nudge();
        Self { signal, submission }
    }

    /// Waits until that work has ended.
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub async fn wait(self, device: &Handle) -> Result<()> {
        // Work that the device refused never ends.
        device.check()?;
        device.run_until(self.submission);
        device.check()?;
        self.signal.wait(device).await;
        device.check()
    }
}

/// A buffer on its way to the host.
#[derive(Debug)]
pub struct Readback {
    signal: Signal,
    submission: wgpu::SubmissionIndex,
    buffer: wgpu::Buffer,
    len_bytes: u64,
}

impl Readback {
    /// Asks for the first `len_bytes` of a buffer that `submission` fills.
    pub fn after(
        device: &Handle,
        submission: wgpu::SubmissionIndex,
        buffer: wgpu::Buffer,
        len_bytes: u64,
    ) -> Self {
        let signal = Signal::default();
        let raised = signal.clone();
        buffer.map_async(wgpu::MapMode::Read, 0..len_bytes, move |result| {
            raised.raise(result.is_ok())
        });
        device.nudge();
        Self {
            signal,
            submission,
            buffer,
            len_bytes,
        }
    }

    /// Hands the bytes to `take`, and gives the buffer back.
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub async fn finish(self, device: &Handle, take: impl FnOnce(&[u8])) -> Result<wgpu::Buffer> {
        device.check()?;
        device.run_until(self.submission);
        device.check()?;
        let well = self.signal.wait(device).await;
        device.check()?;
        if !well {
            return Err(unreadable());
        }
        take(
            &self
                .buffer
                .get_mapped_range(0..self.len_bytes)
                .map_err(|_| unreadable())?,
        );
        self.buffer.unmap();
        Ok(self.buffer)
    }
}

fn unreadable() -> Error {
    lost("its memory could not be read")
}
