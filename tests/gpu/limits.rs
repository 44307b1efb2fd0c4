//! What a device has not enough of: time, workgroup memory, and the range of f16.

use super::{
    device::gpu,
    harness::{DIMS, Harness, NORM_EPS},
};
use half::f16;
use siskin::{
    Code,
    backend::{
        AttentionInput, Backend, CacheSize, Dims, Rope, RopePairs,
        gpu::device::{
            GpuOptions, Handle,
            readback::{Fence, Readback},
        },
    },
    format::gguf::GgufReader,
    loader::{Loader, Options},
    quant::DType,
};
use std::time::Instant;

/// Takes a core for 2 ms: lavapipe ends every loop after 65,536 turns.
const LONG: &str = "
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main() {
  for (var i = 0u; i < 65536u; i++) {
    out[i & 3u] = out[(i + 1u) & 3u] * 1664525u + i;
  }
}";

/// Opens the adapter with an eye on how long submissions take; `None` without one.
fn impatient() -> Option<Handle> {
    pollster::block_on(gpu(GpuOptions::default()))?;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default());
    let adapter = pollster::block_on(adapter).expect("there was one");
    let opened = adapter.request_device(&wgpu::DeviceDescriptor::default());
    let (device, queue) = pollster::block_on(opened).expect("a device");
    let mut handle = Handle::new(device, queue);
    handle.patience_ms = 100;
    Some(handle)
}

/// Submits work of a second or more that ends in `buffer`.
fn submit(handle: &Handle, buffer: &wgpu::Buffer) -> wgpu::SubmissionIndex {
    let device = &handle.device;
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(LONG.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let out = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 16,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry {
            binding: 0,
            resource: out.as_entire_binding(),
        }],
    });
    let descriptor = wgpu::CommandEncoderDescriptor::default();
    let mut encoder = device.create_command_encoder(&descriptor);
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(2000, 1, 1);
    drop(pass);
    encoder.copy_buffer_to_buffer(&out, 0, buffer, 0, 16);
    handle.queue.submit([encoder.finish()])
}

#[test]
fn a_device_that_does_not_answer_is_lost() {
    for is_read in [false, true] {
        let Some(handle) = impatient() else {
            return;
        };
        let wait = |submission| pollster::block_on(Fence::after(&handle, submission).wait(&handle));
        wait(handle.queue.submit([])).expect("nothing is soon done");
        let buffer = handle.readback(16);
        let submission = submit(&handle, &buffer);
        let start = Instant::now();
        let outcome = match is_read {
            false => wait(submission),
            true => {
                let readback = Readback::after(&handle, submission, buffer, 16);
                pollster::block_on(readback.finish(&handle, |_| ())).map(drop)
            }
        };
        let error = outcome.expect_err("it takes too long");
        assert_eq!(error.code, Code::GpuLost, "{error}");
        assert!(error.message.contains("100 ms"), "{error}");
        assert!(start.elapsed().as_secs_f64() < 2.0, "{:?}", start.elapsed());
        assert_eq!(handle.check().expect_err("it stays so").code, Code::GpuLost);
    }
}

#[test]
fn attention_that_takes_too_much_workgroup_memory_is_told() {
    let options = GpuOptions {
        default_limits: true,
        ..GpuOptions::default()
    };
    let Some(mut gpu) = pollster::block_on(gpu(options)) else {
        return;
    };
    assert_eq!(gpu.device().max_workgroup_bytes(), 16 << 10);
    let mut step = |heads| {
        let (kv_heads, head_dim) = (1, 256);
        let dims = Dims {
            heads,
            kv_heads,
            head_dim,
            ..DIMS
        };
        gpu.step(&dims, 1)
    };
    // A query head takes 4 * (256 + 64 + 3) bytes.
    assert!(step(12).is_ok());
    let error = step(13).expect_err("16,796 bytes and a few");
    assert_eq!(error.code, Code::GpuUnsupported);
    assert!(error.message.contains("workgroup memory"), "{error}");
}

#[test]
fn a_cache_that_the_device_does_not_take_is_told() {
    let options = GpuOptions {
        default_limits: true,
        ..GpuOptions::default()
    };
    let Some(mut gpu) = pollster::block_on(gpu(options)) else {
        return;
    };
    // A position takes 1 KiB, and a shader sees 128 MiB at once.
    assert!(
        gpu.cache(&DIMS, &CacheSize::whole(DIMS.layers, 1 << 10))
            .is_ok()
    );
    let error = gpu
        .cache(&DIMS, &CacheSize::whole(DIMS.layers, (128 << 10) + 1))
        .err();
    let error = error.expect("more than a shader sees");
    assert_eq!(error.code, Code::GpuUnsupported);
    assert!(error.message.contains("shorter context"), "{error}");
}

/// Returns the byte at which the tensors of a file begin.
fn tensors_begin(file: &[u8]) -> usize {
    let gguf = GgufReader::new().push(file).expect("a header");
    let gguf = gguf.expect("a whole header");
    let offsets = gguf.tensors.iter().map(|tensor| tensor.offset as usize);
    offsets.min().expect("a tensor")
}

#[test]
fn all_memory_is_asked_for_before_a_weight_is_read() {
    let file = include_bytes!("../fixtures/models/chat-tiny.gguf");
    let Some(gpu) = pollster::block_on(gpu(GpuOptions::default())) else {
        return;
    };
    let (header, tensors) = file.split_at(tensors_begin(file));
    let mut loader = Loader::new(gpu, Options::default());
    loader.push(header).expect("a header");
    let (gpu, ..) = loader.header().expect("a whole header");
    let asked = gpu.counters();
    // In four bits a weight, all of the file but its vocabulary; and a cache beside it.
    assert!(asked.buffer_bytes as usize > tensors.len(), "{asked:?}");
    loader.push(tensors).expect("tensors");
    pollster::block_on(loader.backend_mut().expect("a device").settle()).expect("it works");
    let loaded = loader.finish().expect("a model");
    let in_the_end = loaded.model.backend.counters();
    assert_eq!(in_the_end.buffer_bytes, asked.buffer_bytes);
}

/// Keys and values that no f16 holds are the largest ones, by each of the kernels that write them.
#[test]
fn the_cache_holds_no_infinity() {
    let dims = Dims {
        embedding: 64,
        heads: 1,
        kv_heads: 1,
        head_dim: 64,
        head_dims: Vec::new(),
        feed_forward: 64,
        vocab: 64,
        layers: 1,
        conv_layers: 0,
        delta: None,
        layer_input: 0,
    };
    let harness = pollster::block_on(Harness::new(GpuOptions::default(), &dims));
    let Some(mut harness) = harness else {
        return;
    };
    for tokens in [1, 9] {
        let x = vec![1.0; tokens * 64];
        harness.begin_with(&x, 64, 0);
        let Harness {
            gpu, step, norm, ..
        } = &mut harness;
        let mut matrix = |value: f32| {
            let mut weight = gpu.alloc(DType::F32, 64, 64).expect("memory");
            gpu.write(&mut weight, 0, bytemuck::cast_slice(&[value; 64 * 64]));
            weight
        };
        let [small, k, v] = [1e-3, 1e4, -1e4].map(&mut matrix);
        let rope = Rope {
            pairs: RopePairs::Halves,
            frequencies: vec![0.0; 32].into(),
            scale: 1.0,
        };
        let input = AttentionInput {
            norm: Some(&norm.0),
            q: &small,
            k: Some(&k),
            v: Some(&v),
            q_bias: None,
            k_bias: None,
            v_bias: None,
            q_norm: None,
            k_norm: None,
            v_norm: None,
            rope: &rope,
            eps: NORM_EPS,
        };
        let mut cache = gpu
            .cache(&dims, &CacheSize::whole(dims.layers, 16))
            .expect("memory");
        gpu.attention_input(step, &mut cache, 0, &input);
        gpu.tap_buffer(step, "cache", &cache.layers[0]);
        pollster::block_on(gpu.submit(step)).expect("the device works");
        let taps = pollster::block_on(gpu.read_taps()).expect("the device works");
        let halves: &[[u8; 2]] = bytemuck::cast_slice(&taps[0].1);
        let (keys, values) = halves.split_at(16 * 64);
        for (halves, largest) in [(keys, f16::MAX), (values, f16::MIN)] {
            let written = halves[..tokens * 64]
                .iter()
                .map(|&half| f16::from_le_bytes(half));
            assert!(
                written.into_iter().all(|half| half == largest),
                "{tokens} tokens"
            );
        }
    }
}
