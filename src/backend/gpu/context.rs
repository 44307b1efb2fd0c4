//! The state of the backend: its device, and everything that lies on it but for weights, caches
//! and activations.

use super::{
    adapters::Adapters,
    device::{CacheType, Device, GpuOptions, MatmulStrategy, readback::Fence, run_ahead::RunAhead},
    kernels::StepParams,
    profile::{Profile, Timing},
    recording::{Dispatch, RecordingKey},
    shader::{Access, Binding, Pipelines},
};
use crate::{Result, backend::Rope};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::Arc,
};
use wgpu::{Buffer, BufferUsages as Usage};

/// What was asked of the device since the backend was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kernels that were started.
    pub dispatches: u64,
    /// Compute passes.
    pub passes: u64,
    /// Submits to the queue.
    pub submits: u64,
    /// Buffers that were made.
    pub buffers: u64,
    /// The bytes of all of them.
    pub buffer_bytes: u64,
    /// Bind groups that were made.
    pub bind_groups: u64,
    /// Bytes that the host read.
    pub read_bytes: u64,
}

/// Cosines and sines of a rope for every position, `[context, frequencies]`.
#[derive(Debug)]
struct RopeTable {
    /// The rope's own, which are kept so that no others can have their address.
    frequencies: Arc<[f32]>,
    scale: f32,
    context_tokens: usize,
    buffer: Buffer,
}

/// The graphics card as a backend.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: Rc<Device>,
    pub(super) pipelines: Rc<RefCell<Pipelines>>,
    /// The layout of bind group 0, which holds the step's parameters.
    pub(super) params_layout: wgpu::BindGroupLayout,
    pub(super) params_buffer: Buffer,
    pub(super) params_group: wgpu::BindGroup,
    /// Dispatches that were recorded before, by everything that they bind.
    pub(super) recordings: HashMap<RecordingKey, Vec<Dispatch>>,
    last_id: u32,
    /// What LoRA adapters take.
    pub(super) adapters: Adapters,
    /// Every norm and bias of the model, until the first operation needs them on the device.
    pub(super) vectors: Vec<f32>,
    vectors_buffer: Option<Buffer>,
    rope_tables: Vec<RopeTable>,
    /// Bytes of weights that wait to be copied.
    pub(super) unsent_bytes: usize,
    pub(super) run_ahead: RunAhead,
    pub(super) counters: Counters,
    pub(super) profile: Option<Profile>,
    /// Whether the tensors that a model names are kept.
    pub(super) keeps_taps: bool,
    /// Copies of tensors that were kept, with their names.
    pub(super) taps: Vec<(String, Buffer)>,
}

impl Gpu {
    /// Opens the fastest adapter.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn open(options: GpuOptions) -> Result<Self> {
        Device::open(options).await.map(Self::new)
    }

    /// Makes a backend of an open device.
    pub fn new(device: Device) -> Self {
        let params = Binding {
            number: 0,
            name: "params",
            access: Access::Uniform,
        };
        let layout = device
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("params"),
                entries: &[params.layout()],
            });
        Self::with(Rc::new(device), Rc::default(), layout)
    }

    /// Makes another backend on the same device, with the same compiled shaders.
    pub fn beside(&self) -> Self {
        let layout = self.params_layout.clone();
        Self::with(Rc::clone(&self.device), Rc::clone(&self.pipelines), layout)
    }

    fn with(
        device: Rc<Device>,
        pipelines: Rc<RefCell<Pipelines>>,
        params_layout: wgpu::BindGroupLayout,
    ) -> Self {
        let params_buffer = device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: size_of::<StepParams>() as u64,
            usage: Usage::UNIFORM | Usage::COPY_DST,
            mapped_at_creation: false,
        });
        let params_group = device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("params"),
            layout: &params_layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: params_buffer.as_entire_binding(),
            }],
        });
        let is_timed = device
            .device
            .features()
            .contains(wgpu::Features::TIMESTAMP_QUERY);
        Self {
            profile: is_timed.then(|| Profile::new(&device)),
            run_ahead: RunAhead::new(device.latency_ms, device.is_polled),
            device,
            pipelines,
            params_layout,
            params_buffer,
            params_group,
            recordings: HashMap::new(),
            last_id: 0,
            adapters: Adapters::default(),
            vectors: Vec::new(),
            vectors_buffer: None,
            rope_tables: Vec::new(),
            unsent_bytes: 0,
            counters: Counters::default(),
            keeps_taps: false,
            taps: Vec::new(),
        }
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the adapter's name, for people.
    pub fn adapter(&self) -> &str {
        &self.device.name
    }

    /// Returns what shaders use on the device, as [`super::device::ShaderFeatures::names`].
    pub fn features(&self) -> Vec<&'static str> {
        self.device.features.get().names()
    }

    /// Lets go of the device and of its memory. Nothing else can be asked of it afterwards.
    pub fn destroy(&self) {
        self.device.device.destroy();
    }

    /// Returns how late the end of a step may be seen, as [`Device::resolution_ms`].
    pub fn resolution_ms(&self) -> f64 {
        self.device.resolution_ms()
    }

    /// Returns what was asked of the device since the backend was made.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Waits until the device has done all that it was asked for.
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub async fn settle(&mut self) -> Result<()> {
        self.counters.submits += 1;
        Fence::after(&self.device, self.device.queue.submit([]))
            .wait(&self.device)
            .await
    }

    /// Returns the time that each shader took since the last call; nothing where it is not
    /// measured ([`super::device::GpuOptions::profile`]).
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub async fn timings(&mut self) -> Result<BTreeMap<String, Timing>> {
        match &mut self.profile {
            Some(profile) => profile.read(&self.device).await,
            None => Ok(BTreeMap::new()),
        }
    }

    /// Returns label and text of every shader that was asked for so far.
    pub fn shaders(&self) -> Vec<(String, String)> {
        self.pipelines.borrow().sources(self.device.features.get())
    }

    /// Returns how matrices are multiplied, with the features that shaders may use.
    pub(super) fn strategy(&self) -> MatmulStrategy {
        let (strategy, features) = (self.device.strategy.get(), self.device.features.get());
        MatmulStrategy {
            int8_dot: strategy.int8_dot && features.packed,
            f16_tiles: strategy.f16_tiles && features.f16,
        }
    }

    pub(super) fn cache_type(&self) -> CacheType {
        self.device.options.cache_type
    }

    /// Returns a number that was not given before.
    pub(super) fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn count(&mut self, buffer: &Buffer) {
        self.counters.buffers += 1;
        self.counters.buffer_bytes += buffer.size();
    }

    /// Makes a buffer, and counts it.
    ///
    /// # Errors
    /// `gpu_unsupported` where it is larger than the device allows.
    pub(super) fn buffer(
        &mut self,
        label: &str,
        size_bytes: usize,
        usage: Usage,
    ) -> Result<Buffer> {
        let buffer = self.device.buffer(label, size_bytes as u64, usage)?;
        self.count(&buffer);
        Ok(buffer)
    }

    /// Makes a buffer of bytes that never change.
    pub(super) fn upload(&mut self, label: &str, bytes: &[u8]) -> Buffer {
        let buffer = self.device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: (bytes.len() as u64).next_multiple_of(16).max(16),
            usage: Usage::STORAGE | Usage::UNIFORM | Usage::COPY_DST,
            mapped_at_creation: false,
        });
        self.device.queue.write_buffer(&buffer, 0, bytes);
        self.count(&buffer);
        buffer
    }

    /// Returns the buffer of all norms and biases.
    pub(super) fn vectors_buffer(&mut self) -> Buffer {
        if let Some(buffer) = &self.vectors_buffer {
            return buffer.clone();
        }
        let vectors = std::mem::take(&mut self.vectors);
        let buffer = self.upload("vectors", bytemuck::cast_slice(&vectors));
        self.vectors = vectors;
        self.vectors_buffer.insert(buffer).clone()
    }

    /// Returns the number of a rope's table. Its values are computed once and in double precision,
    /// for a shader's own lose all of it far out in the context.
    pub(super) fn rope_table(&mut self, rope: &Rope, context_tokens: usize) -> usize {
        let is_it = |table: &RopeTable| {
            (table.context_tokens, table.scale) == (context_tokens, rope.scale)
                && Arc::ptr_eq(&table.frequencies, &rope.frequencies)
        };
        if let Some(at) = self.rope_tables.iter().position(is_it) {
            return at;
        }
        let turn = |position: usize, frequency: f32| {
            let (sin, cos) = (position as f64 * f64::from(frequency)).sin_cos();
            let scale = f64::from(rope.scale);
            [(scale * cos) as f32, (scale * sin) as f32]
        };
        let turns = |position| rope.frequencies.iter().map(move |&f| turn(position, f));
        let values: Vec<[f32; 2]> = (0..context_tokens).flat_map(turns).collect();
        let buffer = self.upload("rope table", bytemuck::cast_slice(&values));
        self.rope_tables.push(RopeTable {
            frequencies: Arc::clone(&rope.frequencies),
            scale: rope.scale,
            context_tokens,
            buffer,
        });
        self.rope_tables.len() - 1
    }

    /// Returns the buffer of a rope's table.
    pub(super) fn rope_table_buffer(&self, rope_table: usize) -> Buffer {
        self.rope_tables[rope_table].buffer.clone()
    }
}
