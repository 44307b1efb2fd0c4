//! `siskin compare`: compares every tensor of a step on the GPU with the CPU's. The first tensor
//! that is far off names the kernel that is wrong.

use crate::{
    arguments::Arguments,
    bench::synthetic_tokens,
    files::{read_model, show},
};
use siskin::{
    Result,
    backend::{
        Backend,
        cpu::Cpu,
        gpu::{
            Gpu,
            device::{Device, GpuOptions},
        },
    },
    generate::STEP_TOKENS,
    loader::{Loaded, Loader, Options},
    model::Model,
    tensor::difference,
};
use std::path::Path;

/// Sets the relative difference from which a tensor counts as wrong. The CPU rounds activations to
/// 8 bits and the GPU does not, which alone makes a difference of some hundredths.
const MAX_DIFFERENCE: f64 = 0.1;

/// Prints the difference of each tensor, and the first that is far off.
pub fn compare(arguments: &Arguments) -> Result<()> {
    let path = arguments.word(1, "MODEL")?;
    let mut gpu = Gpu::new(pollster::block_on(Device::open(GpuOptions::default()))?);
    gpu.keep_taps();
    let mut on_gpu = load(path, gpu)?.model;
    let mut on_cpu = load(
        path,
        Cpu {
            taps: Some(Vec::new()),
            ..Cpu::default()
        },
    )?
    .model;
    let tokens = synthetic_tokens(
        arguments
            .number("prompt")?
            .unwrap_or(9)
            .min(STEP_TOKENS as u32),
        on_gpu.vocab_size(),
    );
    let mut logits = Vec::new();
    pollster::block_on(on_cpu.forward(&tokens, Some(&mut logits)))?;
    pollster::block_on(on_gpu.forward(&tokens, Some(&mut logits)))?;
    let found = pollster::block_on(on_gpu.backend.read_taps())?;
    let expected = on_cpu.backend.taps.take().unwrap_or_default();
    show(&format!(
        "{} tokens on {}; off: the root mean square of what differs over that of the processor's\n",
        tokens.len(),
        on_gpu.backend.device().name
    ))?;
    let mut first_far = None;
    for ((name, bytes), (_, expected)) in found.iter().zip(&expected) {
        let found: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
        let off = difference(&found, expected);
        show(&format!("{name:24} {:8.3}% off\n", 100.0 * off))?;
        if (off.is_nan() || off > MAX_DIFFERENCE) && first_far.is_none() {
            first_far = Some(name);
        }
    }
    match first_far {
        None => show("All are near.\n"),
        Some(name) => show(&format!("{name} is the first that is far off.\n")),
    }
}

/// Loads the model with a context of one step.
fn load<B: Backend>(path: &str, backend: B) -> Result<Loaded<Model<B>>> {
    let mut loader = Loader::new(
        backend,
        Options {
            context_tokens: Some(STEP_TOKENS),
            ..Options::default()
        },
    );
    read_model(Path::new(path), |chunk| loader.push(chunk))?;
    loader.finish()
}
