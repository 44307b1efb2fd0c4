//! An open device with its queue, and the first thing that went wrong with it.

use crate::{Code, Error, Result};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A step of the slowest card that is of use takes a second; browsers themselves end the work of a
/// card that hangs within ten, if they notice it.
const PATIENCE_MS: u32 = 30_000;

/// A device and its queue. Errors of a queue come late and from anywhere: the first one is kept
/// until somebody asks.
#[derive(Debug)]
pub struct Handle {
    /// Makes buffers, shaders and commands.
    pub device: wgpu::Device,
    /// Takes commands.
    pub queue: wgpu::Queue,
    /// Whether the browser looks only every 100 ms for what has ended, as Firefox does
    /// (bugzilla.mozilla.org 1870699), or when something is submitted: it is nudged then. How long
    /// a short step takes cannot be seen there.
    pub is_polled: bool,
    /// How long a submission may take, in milliseconds, before the device counts as lost.
    pub patience_ms: u32,
    fault: Arc<Mutex<Option<Error>>>,
}

impl Handle {
    /// Takes a device over, and listens to its errors from here on.
    pub fn new(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let fault = Arc::new(Mutex::new(None));
        let (errors, losses) = (Arc::clone(&fault), Arc::clone(&fault));
        device.on_uncaptured_error(Arc::new(move |error| {
            keep(
                &errors,
                match error {
                    wgpu::Error::OutOfMemory { .. } => out_of_memory(),
                    other => Error::new(
                        Code::GpuRefused,
                        format!(
                            "The GPU refused a command of Siskin's, please report it: {other}."
                        ),
                    ),
                },
            );
        }));
        device.set_device_lost_callback(move |_, message| keep(&losses, lost(&message)));
        Self {
            device,
            queue,
            is_polled: false,
            patience_ms: PATIENCE_MS,
            fault,
        }
    }

    fn fault(&self) -> MutexGuard<'_, Option<Error>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets that a command was refused. A device that is lost or full stays so.
    pub(super) fn forgive(&self) {
        let mut fault = self.fault();
        fault.take_if(|error| error.code == Code::GpuRefused);
    }

    /// Returns the first thing that went wrong with the device.
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub fn check(&self) -> Result<()> {
        match self.fault().clone() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Submits nothing, whereupon a browser that is polled looks for what has ended.
    pub fn nudge(&self) {
        if self.is_polled {
            self.queue.submit([]);
        }
    }

    /// Runs the device until a submission has ended, and its callbacks. Only native programs need
    /// this: a browser does so by itself.
    pub fn run_until(&self, submission: wgpu::SubmissionIndex) {
        // What goes wrong reaches the callbacks, but for a loss meanwhile: wgpu panics then.
        let ended = self.device.poll(wgpu::PollType::Wait {
            submission_index: Some(submission),
            timeout: Some(Duration::from_millis(self.patience_ms.into())),
        });
        if matches!(ended, Err(wgpu::PollError::Timeout)) {
            self.lose();
        }
    }

    /// Counts the device as lost, whose submission takes too long.
    pub(super) fn lose(&self) {
        let why = format!("it did not answer for {} ms", self.patience_ms);
        self.fault().get_or_insert(lost(&why));
    }

    /// Makes a buffer that the host reads.
    pub fn readback(&self, size_bytes: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: size_bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }
}

/// Browsers forget a device and its memory only when they next look for what nobody uses.
impl Drop for Handle {
    fn drop(&mut self) {
        self.device.destroy();
    }
}

fn keep(fault: &Mutex<Option<Error>>, error: Error) {
    fault
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(error);
}

fn out_of_memory() -> Error {
    Error::new(
        Code::GpuOutOfMemory,
        "The GPU has no memory left. Close other tabs, ask for a shorter context, or choose a \
         smaller model.",
    )
}

/// Makes the error of a device that is gone.
pub(super) fn lost(why: &str) -> Error {
    Error::new(
        Code::GpuLost,
        format!("The GPU was lost ({why}). Load the model again."),
    )
}
