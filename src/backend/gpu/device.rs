//! The graphics card: what it can do, and what went wrong with it.

use super::waiting::{MOST_PAUSE_MS, Reading};
use crate::{Code, Error, Result, host};
use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError},
};

/// A reading that takes longer than this is not told of when it is there, but when the browser next looks.
const POLLED_MS: f64 = 10.0;

/// What may be asked of [`Device::open`]. The default takes all that the adapter has.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuOptions {
    /// Does without subgroups even where there are some.
    pub without_subgroups: bool,
    /// Does without 16-bit arithmetic even where there is some.
    pub without_f16: bool,
    /// How matrices are multiplied. None: as measured.
    pub products: Option<MatmulStrategy>,
    /// How many steps to have under way, whatever was measured.
    pub steps_in_flight: Option<usize>,
    /// Does without the packed 8-bit functions even where there are some.
    pub without_packed: bool,
    /// Keeps to the limits that every WebGPU device has.
    pub default_limits: bool,
    /// Splits weights that are larger than this, where the device would take them whole.
    pub max_part_bytes: Option<u64>,
    /// Measures how long each shader takes, where the device can.
    pub profile: bool,
    pub cache_type: CacheType,
}

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheType {
    #[default]
    F16,
    /// Bytes, with a scale every 32 elements: 9/16 of the memory.
    Q8_0,
}

impl CacheType {
    /// Errors: `invalid_argument`.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "f16" => Ok(Self::F16),
            "q8_0" => Ok(Self::Q8_0),
            _ => Err(Error::new(
                Code::InvalidArgument,
                "cache_type must be \"f16\" or \"q8_0\".",
            )),
        }
    }

    /// Bytes that so many elements take.
    pub fn size_bytes(self, len: usize) -> usize {
        match self {
            Self::F16 => 2 * len,
            Self::Q8_0 => 36 * len / 32,
        }
    }
}

/// What shaders may use, found at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShaderFeatures {
    pub subgroups: bool,
    pub f16: bool,
    /// The packed 8-bit functions of WGSL.
    pub packed: bool,
    /// Where a shader that uses subgroups must say so: in browsers.
    pub enable: bool,
}

/// How a matrix is multiplied by one token (`shaders/matvec.wgsl`), and by many (`shaders/matmul.wgsl`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatmulStrategy {
    /// Activations become bytes, in two planes, and products dots of bytes, where the weights have bytes.
    pub int8_dot: bool,
    /// For many tokens, weights and activations become f16 in the tiles of workgroup memory.
    pub f16_tiles: bool,
}

/// An open device. Errors of its queue come late and from anywhere: the first one is kept until somebody asks.
pub struct Device {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub tier: ShaderFeatures,
    /// A name for people: "NVIDIA GeForce RTX 4070".
    pub name: String,
    /// How long four bytes take to the host when the device has nothing else to do.
    pub latency_ms: f64,
    /// Whether the browser looks for what has ended only every 100 ms, as Firefox does (bugzilla.mozilla.org 1870699), or when something is
    /// submitted: so it is nudged. How long a short step takes cannot be seen there.
    pub is_polled: bool,
    pub products: Cell<MatmulStrategy>,
    pub options: GpuOptions,
    fault: Arc<Mutex<Option<Error>>>,
}

fn unavailable(why: impl std::fmt::Display) -> Error {
    Error::new(
        Code::GpuUnavailable,
        format!("The GPU cannot be used: {why}."),
    )
}

impl Device {
    /// Errors: `gpu_unavailable`, and those of a device that fails at once.
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
        let info = adapter.get_info();
        let mut features = wgpu::Features::empty();
        if !options.without_subgroups {
            features |= available & wgpu::Features::SUBGROUP;
        }
        if !options.without_f16 {
            features |= available & wgpu::Features::SHADER_F16;
        }
        if options.profile {
            features |= available & wgpu::Features::TIMESTAMP_QUERY;
        }
        let mut limits = wgpu::Limits::default();
        if !options.default_limits {
            limits.max_buffer_size = has.max_buffer_size;
            limits.max_storage_buffer_binding_size = has.max_storage_buffer_binding_size;
        }
        let mut descriptor = wgpu::DeviceDescriptor {
            label: Some("siskin"),
            required_features: features,
            required_limits: limits,
            // Memory in many large pieces, freed all at once.
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
        let tier = ShaderFeatures {
            subgroups: features.contains(wgpu::Features::SUBGROUP)
                || (!options.without_subgroups && has_web_subgroups(&device)),
            f16: features.contains(wgpu::Features::SHADER_F16),
            packed: !options.without_packed
                && instance
                    .wgsl_language_features()
                    .contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct),
            enable: cfg!(target_arch = "wasm32"),
        };
        let products = Cell::new(options.products.unwrap_or_default());
        let mut device = Self {
            device,
            queue,
            tier,
            name: info.name,
            latency_ms: 0.0,
            is_polled: false,
            products,
            options,
            fault,
        };
        device.latency_ms = device.measure_latency().await?;
        if cfg!(target_arch = "wasm32") && device.latency_ms > POLLED_MS {
            device.is_polled = true;
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
            let mut encoder = self
                .device
                .create_command_encoder(&wgpu::CommandEncoderDescriptor {
                    label: Some("latency"),
                });
            encoder.copy_buffer_to_buffer(&source, 0, &buffer, 0, 4);
            let submission = self.queue.submit([encoder.finish()]);
            buffer = Reading::after(self, submission, buffer, 4)
                .finish(self, |_| ())
                .await?;
            // The first one pays for what is made at first use.
            if let Some(index) = round.checked_sub(1) {
                latencies_ms[index] = host::now_ms() - start_ms;
            }
        }
        // Where a browser looks for them now and then one may come soon by chance, and late where other programs run.
        latencies_ms.sort_unstable_by(f64::total_cmp);
        Ok(latencies_ms[1])
    }

    /// The first thing that went wrong with the device: nothing mends it. Errors: `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`.
    pub fn check(&self) -> Result<()> {
        match self
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
        {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Room for data that shaders read and write. Errors: `gpu_unsupported` where it is larger than the device allows.
    pub fn buffer(
        &self,
        label: &str,
        size_bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        let limit = self.max_binding_bytes();
        if size_bytes > limit {
            let message = format!(
                "The GPU takes at most {limit} bytes at once, and {label} has {size_bytes}. Ask for a shorter context."
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

    /// The most bytes of one buffer that a shader can see.
    pub fn max_binding_bytes(&self) -> u64 {
        let limits = self.device.limits();
        limits
            .max_storage_buffer_binding_size
            .min(limits.max_buffer_size)
    }

    /// The most bytes of a weight that lie in one buffer.
    pub fn max_part_bytes(&self) -> u64 {
        self.max_binding_bytes()
            .min(self.options.max_part_bytes.unwrap_or(u64::MAX))
    }

    /// A buffer that the host reads.
    pub fn readback(&self, size_bytes: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: size_bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// How late the end of a step may be seen, where it is not told of at once.
    pub fn resolution_ms(&self) -> f64 {
        if self.is_polled {
            self.latency_ms + f64::from(MOST_PAUSE_MS)
        } else {
            0.0
        }
    }

    /// Submits nothing, whereupon the browser looks for what has ended.
    pub fn nudge(&self) {
        if self.is_polled {
            self.queue.submit([]);
        }
    }

    /// Natively, runs the device until a submission has ended, and its callbacks. A browser does so by itself.
    pub fn run_until(&self, submission: wgpu::SubmissionIndex) {
        // What goes wrong reaches the callbacks, but for a loss in the middle of this: wgpu panics then.
        let _ = self.device.poll(wgpu::PollType::Wait {
            submission_index: Some(submission),
            timeout: None,
        });
    }
}

/// Browsers forget a device and its memory only when they next look for what nobody uses.
impl Drop for Device {
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

pub fn out_of_memory() -> Error {
    Error::new(
        Code::GpuOutOfMemory,
        "The GPU has no memory left. Close other tabs, ask for a shorter context, or choose a smaller model.",
    )
}

pub fn lost(why: &str) -> Error {
    Error::new(
        Code::GpuLost,
        format!("The GPU was lost ({why}). Load the model again."),
    )
}

/// wgpu knows no subgroups in browsers (gfx-rs/wgpu #10146): whoever starts the engine there has the feature added to the request.
#[cfg(target_arch = "wasm32")]
fn has_web_subgroups(device: &wgpu::Device) -> bool {
    use wasm_bindgen::JsValue;
    let Some(device) = device.as_webgpu() else {
        return false;
    };
    let features =
        js_sys::Reflect::get(device.as_ref(), &JsValue::from_str("features")).unwrap_or_default();
    js_sys::Reflect::get(&features, &JsValue::from_str("has"))
        .ok()
        .and_then(|has| {
            js_sys::Function::from(has)
                .call1(&features, &JsValue::from_str("subgroups"))
                .ok()
        })
        .is_some_and(|has| has.is_truthy())
}

#[cfg(not(target_arch = "wasm32"))]
fn has_web_subgroups(_device: &wgpu::Device) -> bool {
    false
}
