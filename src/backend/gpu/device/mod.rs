//! The graphics card: what it can do, how it is asked, and when it answers.

mod features;
mod handle;
pub mod readback;
pub mod run_ahead;

use self::readback::{Fence, MAX_PAUSE_MS, Readback};
pub use self::{
    features::{CacheType, GpuOptions, MatmulStrategy, ShaderFeatures},
    handle::Handle,
};
use super::stopwatch::timer_step_ms;
use crate::{Code, Error, Result, host};
use std::{cell::Cell, ops::Deref};

/// A reading that takes longer than this comes from a browser that looks for it only now and then:
/// Chromium hands four bytes over in 0.5 ms, Firefox in 100 ms (docs/design/gpu.md).
const POLLED_MS: f64 = 10.0;
/// What the names of adapters hold that a processor plays, as in `www/lib/engine/adapter.js`.
const SOFTWARE: [&str; 4] = ["swiftshader", "llvmpipe", "lavapipe", "basic render"];
/// Such an adapter may take so many times as long as a card before it counts as lost.
const SOFTWARE_PATIENCE: u32 = 10;

/// An open device, and what was found out about it.
#[derive(Debug)]
pub struct Device {
    handle: Handle,
    /// What shaders may use.
    pub features: Cell<ShaderFeatures>,
    /// A name for people: "NVIDIA GeForce RTX 4070".
    pub name: String,
    /// Whether it is a card of Apple's.
    pub is_apple: bool,
    /// The steps in which the host's timer goes, in milliseconds.
    pub timer_step_ms: f64,
    /// How long four bytes take to the host when the device has nothing else to do.
    pub latency_ms: f64,
    /// How matrices are multiplied.
    pub strategy: Cell<MatmulStrategy>,
    /// What was asked for when it was opened.
    pub options: GpuOptions,
}

impl Deref for Device {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

fn unavailable(why: impl std::fmt::Display) -> Error {
    Error::new(
        Code::GpuUnavailable,
        format!("The GPU cannot be used: {why}."),
    )
}

impl Device {
    /// Opens the fastest adapter.
    ///
    /// # Errors
    /// `gpu_unavailable`, and those of a device that fails at once.
    pub async fn open(options: GpuOptions) -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let wanted = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = instance
            .request_adapter(&wanted)
            .await
            .map_err(unavailable)?;
        let (available, has) = (adapter.features(), adapter.limits());
        let mut features = wgpu::Features::empty();
        features.set(wgpu::Features::SUBGROUP, options.features.subgroups);
        features.set(wgpu::Features::SHADER_F16, options.features.f16);
        features.set(wgpu::Features::TIMESTAMP_QUERY, options.profile);
        features &= available;
        let mut limits = wgpu::Limits::default();
        if !options.default_limits {
            limits.max_buffer_size = has.max_buffer_size;
            limits.max_storage_buffer_binding_size = has.max_storage_buffer_binding_size;
            limits.max_storage_buffers_per_shader_stage = has.max_storage_buffers_per_shader_stage;
            limits.max_compute_workgroup_storage_size = has.max_compute_workgroup_storage_size;
        }
        let mut descriptor = wgpu::DeviceDescriptor {
            label: Some("siskin"),
            required_features: features,
            required_limits: limits,
            // Memory comes in many large pieces, which are freed all at once.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = match adapter.request_device(&descriptor).await {
            Ok(opened) => opened,
            // An adapter may promise more than its devices hold.
            Err(_) => {
                features = wgpu::Features::empty();
                (descriptor.required_features, descriptor.required_limits) =
                    (features, wgpu::Limits::default());
                adapter
                    .request_device(&descriptor)
                    .await
                    .map_err(unavailable)?
            }
        };
        let has_subgroups =
            features.contains(wgpu::Features::SUBGROUP) || has_web_subgroups(&device);
        let has_packed = instance
            .wgsl_language_features()
            .contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct);
        let name = adapter.get_info().name;
        let said = format!("{name} {}", web_names(&device)).to_lowercase();
        let mut handle = Handle::new(device, queue);
        // A processor that plays a card may take long and still be well.
        if SOFTWARE.iter().any(|software| said.contains(software)) {
            handle.patience_ms *= SOFTWARE_PATIENCE;
        }
        let mut device = Self {
            is_apple: said.contains("apple"),
            timer_step_ms: timer_step_ms(),
            handle,
            features: Cell::new(ShaderFeatures {
                subgroups: options.features.subgroups && has_subgroups,
                f16: features.contains(wgpu::Features::SHADER_F16),
                packed: options.features.packed && has_packed,
                ..options.features
            }),
            name,
            latency_ms: 0.0,
            strategy: Cell::new(options.strategy.unwrap_or_default()),
            options,
        };
        device.latency_ms = device.measure_latency().await?;
        if cfg!(target_arch = "wasm32") && device.latency_ms > POLLED_MS {
            device.handle.is_polled = true;
            device.latency_ms = device.measure_latency().await?;
        }
        Ok(device)
    }

    async fn measure_latency(&self) -> Result<f64> {
        let source = self.buffer("latency", 4, wgpu::BufferUsages::COPY_SRC)?;
        let mut buffer = self.readback(4);
        let mut latencies_ms = [0f64; 3];
        for round in 0..=latencies_ms.len() {
            let start_ms = host::now_ms();
            let descriptor = wgpu::CommandEncoderDescriptor {
                label: Some("latency"),
            };
            let mut encoder = self.device.create_command_encoder(&descriptor);
            encoder.copy_buffer_to_buffer(&source, 0, &buffer, 0, 4);
            let submission = self.queue.submit([encoder.finish()]);
            let readback = Readback::after(self, submission, buffer, 4);
            buffer = readback.finish(self, |_| ()).await?;
            // The first round pays for what is made at first use.
            if let Some(index) = round.checked_sub(1) {
                latencies_ms[index] = host::now_ms() - start_ms;
            }
        }
        // The median: a reading may come soon by chance where a browser looks for it now and then,
        // and late where other programs run.
        latencies_ms.sort_unstable_by(f64::total_cmp);
        Ok(latencies_ms[1])
    }

    /// Makes shaders use these features from here on, and forgets that a command was refused:
    /// that of a kernel that did not compile.
    ///
    /// # Errors
    /// `gpu_lost`, `gpu_out_of_memory`
    pub async fn use_features(&self, features: ShaderFeatures) -> Result<()> {
        self.forgive();
        // What was submitted before may be refused until it ends.
        let ended = Fence::after(self, self.queue.submit([])).wait(self).await;
        self.forgive();
        self.features.set(features);
        match ended {
            Err(error) if error.code != Code::GpuRefused => Err(error),
            _ => self.check(),
        }
    }

    /// Makes a buffer that shaders read and write.
    ///
    /// # Errors
    /// `gpu_unsupported` where it is larger than the device allows.
    pub fn buffer(
        &self,
        label: &str,
        size_bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        let limit = self.max_binding_bytes();
        if size_bytes > limit {
            let message = format!(
                "The GPU takes at most {limit} bytes at once, and {label} has {size_bytes}. \
                 Ask for a shorter context."
            );
            return Err(Error::new(Code::GpuUnsupported, message));
        }
        Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: size_bytes.next_multiple_of(16).max(16),
            usage,
            mapped_at_creation: false,
        }))
    }

    /// Returns the most bytes of one buffer that a shader can see.
    pub fn max_binding_bytes(&self) -> u64 {
        let limits = self.device.limits();
        limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size)
    }

    /// Returns the most bytes of workgroup memory that a shader may have.
    pub fn max_workgroup_bytes(&self) -> usize {
        self.device.limits().max_compute_workgroup_storage_size as usize
    }

    /// Returns the most bytes of a weight that lie in one buffer.
    pub fn max_part_bytes(&self) -> u64 {
        self.max_binding_bytes()
            .min(self.options.max_part_bytes.unwrap_or(u64::MAX))
    }

    /// Returns how late the end of a step may be seen, in milliseconds: 0 where the host is told
    /// of it at once.
    pub fn resolution_ms(&self) -> f64 {
        if self.is_polled {
            self.latency_ms + f64::from(MAX_PAUSE_MS)
        } else {
            0.0
        }
    }
}

/// wgpu knows no subgroups in browsers (gfx-rs/wgpu #10146): whoever starts the engine there has
/// the feature added to the request.
#[cfg(target_arch = "wasm32")]
fn has_web_subgroups(device: &wgpu::Device) -> bool {
    device
        .as_webgpu()
        .is_some_and(|device| device.features().has("subgroups"))
}

/// Returns what a browser calls the card and its maker, which wgpu does not pass on.
#[cfg(target_arch = "wasm32")]
fn web_names(device: &wgpu::Device) -> String {
    use wasm_bindgen::JsCast;
    let Some(device) = device.as_webgpu() else {
        return String::new();
    };
    let device: &js::Device = AsRef::<wasm_bindgen::JsValue>::as_ref(device).unchecked_ref();
    device
        .adapter_info()
        .map(|info| format!("{} {}", info.vendor(), info.architecture()))
        .unwrap_or_default()
}

/// What WebGPU has and wgpu's types lack.
#[cfg(target_arch = "wasm32")]
mod js {
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen]
    extern "C" {
        /// A `GPUDevice`.
        pub type Device;
        /// Returns its adapter's `GPUAdapterInfo`, which not every browser has.
        #[wasm_bindgen(method, getter, js_name = adapterInfo)]
        pub fn adapter_info(this: &Device) -> Option<AdapterInfo>;
        /// A `GPUAdapterInfo`.
        pub type AdapterInfo;
        /// Returns the maker's name, which may be empty.
        #[wasm_bindgen(method, getter)]
        pub fn vendor(this: &AdapterInfo) -> String;
        /// Returns the name of the family of cards, which may be empty.
        #[wasm_bindgen(method, getter)]
        pub fn architecture(this: &AdapterInfo) -> String;
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn web_names(_device: &wgpu::Device) -> String {
    String::new()
}

#[cfg(not(target_arch = "wasm32"))]
fn has_web_subgroups(_device: &wgpu::Device) -> bool {
    false
}
