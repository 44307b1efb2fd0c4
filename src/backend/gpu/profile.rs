//! How long each shader takes, by timestamps: each dispatch gets a pass of its own, so that a
//! profiled step is slower as a whole.

use super::{
    activations::Commands,
    device::{Device, readback::Readback},
};
use crate::Result;
use std::{collections::BTreeMap, mem};
use wgpu::BufferUsages as Usage;

/// The most dispatches of a step that are timed: a query set has 4,096 places, two for each.
const MAX_TIMED: u32 = 2048;

/// Timestamps on the device, and those on their way to the host.
#[derive(Debug)]
pub(super) struct Profile {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// The labels of what this step's passes ran, and the bytes that it read.
    timed: Vec<(String, u64)>,
    /// The same with the times, of the steps that have not been read.
    unread: Vec<(Vec<(String, u64)>, Readback)>,
}

/// How often a shader ran, and for how long in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timing {
    /// The number of times that it was started.
    pub dispatches: u64,
    /// The time that it took on the device.
    pub seconds: f64,
    /// The bytes of weights and of the KV cache that it read.
    pub read_bytes: u64,
}

impl Profile {
    /// Makes room for the timestamps of a step.
    pub(super) fn new(device: &Device) -> Self {
        let descriptor = wgpu::QuerySetDescriptor {
            label: Some("times"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * MAX_TIMED,
        };
        let resolved = device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("times"),
            size: u64::from(2 * MAX_TIMED) * wgpu::QUERY_SIZE as u64,
            usage: Usage::QUERY_RESOLVE | Usage::COPY_SRC,
            mapped_at_creation: false,
        });
        Self {
            queries: device.device.create_query_set(&descriptor),
            resolved,
            timed: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// Begins a pass that is timed under this name.
    pub(super) fn next(
        &mut self,
        commands: Commands,
        params_group: &wgpu::BindGroup,
        name: &str,
        read_bytes: u64,
    ) -> Commands {
        let at = 2 * self.timed.len() as u32;
        if at >= 2 * MAX_TIMED {
            return commands;
        }
        let Commands { pass, mut encoder } = commands;
        drop(pass);
        self.timed.push((name.to_owned(), read_bytes));
        let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(at),
            end_of_pass_write_index: Some(at + 1),
        });
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes,
            })
            .forget_lifetime();
        pass.set_bind_group(0, params_group, &[]);
        Commands { pass, encoder }
    }

    /// Copies the times of a step whose passes have ended, and returns the buffer that gets them.
    pub(super) fn resolve(
        &mut self,
        device: &Device,
        encoder: &mut wgpu::CommandEncoder,
    ) -> Option<(wgpu::Buffer, u64)> {
        let count = 2 * self.timed.len() as u32;
        if count == 0 {
            return None;
        }
        let size_bytes = u64::from(count) * wgpu::QUERY_SIZE as u64;
        let times = device.readback(size_bytes);
        encoder.resolve_query_set(&self.queries, 0..count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &times, 0, size_bytes);
        Some((times, size_bytes))
    }

    /// Takes note that the step was submitted.
    pub(super) fn submitted(
        &mut self,
        device: &Device,
        submission: wgpu::SubmissionIndex,
        (times, size_bytes): (wgpu::Buffer, u64),
    ) {
        self.unread.push((
            mem::take(&mut self.timed),
            Readback::after(device, submission, times, size_bytes),
        ));
    }

    /// Returns the time of each label since the last call.
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub(super) async fn read(&mut self, device: &Device) -> Result<BTreeMap<String, Timing>> {
        let period = f64::from(device.queue.get_timestamp_period()) * 1e-9;
        let mut timings: BTreeMap<String, Timing> = BTreeMap::new();
        for (timed, readback) in mem::take(&mut self.unread) {
            let mut times: Vec<[u64; 2]> = Vec::new();
            readback
                .finish(device, |bytes| times = bytemuck::pod_collect_to_vec(bytes))
                .await?;
            for ((name, read_bytes), [begin, end]) in timed.into_iter().zip(times) {
                let timing = timings.entry(name).or_default();
                timing.dispatches += 1;
                timing.read_bytes += read_bytes;
                timing.seconds += end.saturating_sub(begin) as f64 * period;
            }
        }
        Ok(timings)
    }
}
