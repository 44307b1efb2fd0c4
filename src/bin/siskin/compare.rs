//! `siskin compare`: every tensor of a step on the graphics card beside the processor's. Where a kernel is wrong, the first that is far off names it.

use super::{Arguments, made_up_tokens, read, show};
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

/// Activations are rounded to 8 bits on the processor and not on the card, which alone makes some hundredths.
const FAR: f64 = 0.1;

pub fn compare(arguments: &Arguments) -> Result<()> {
    let path = arguments.word(1, "MODEL")?;
    let mut card = Gpu::new(pollster::block_on(Device::open(GpuOptions::default()))?);
    card.keep_taps();
    let mut on_card = load(path, card)?.model;
    let mut on_processor = load(
        path,
        Cpu {
            taps: Some(Vec::new()),
            ..Cpu::default()
        },
    )?
    .model;
    let tokens = made_up_tokens(
        arguments
            .number("prompt")?
            .unwrap_or(9)
            .min(STEP_TOKENS as u32),
        on_card.vocab_size(),
    );
    let mut logits = Vec::new();
    pollster::block_on(on_processor.forward(&tokens, Some(&mut logits)))?;
    pollster::block_on(on_card.forward(&tokens, Some(&mut logits)))?;
    let found = pollster::block_on(on_card.backend.read_taps())?;
    let expected = on_processor.backend.taps.take().unwrap_or_default();
    show(&format!(
        "{} tokens on {}; off: the root mean square of what differs over that of the processor's\n",
        tokens.len(),
        on_card.backend.device().name
    ))?;
    let mut first_far = None;
    for ((name, bytes), (_, expected)) in found.iter().zip(&expected) {
        let found: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
        let off = difference(&found, expected);
        show(&format!("{name:24} {:8.3}% off\n", 100.0 * off))?;
        if (off.is_nan() || off > FAR) && first_far.is_none() {
            first_far = Some(name);
        }
    }
    match first_far {
        None => show("All are near.\n"),
        Some(name) => show(&format!("{name} is the first that is far off.\n")),
    }
}

fn load<B: Backend>(path: &str, backend: B) -> Result<Loaded<Model<B>>> {
    let mut loader = Loader::new(
        backend,
        Options {
            context_tokens: Some(STEP_TOKENS),
        },
    );
    read(Path::new(path), |chunk| loader.push(chunk).map(|()| false))?;
    loader.finish()
}
