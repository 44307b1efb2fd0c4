//! `siskin bench`: measures the speed of prefill and decode.

use crate::{arguments::Arguments, files::show, load::load};
use siskin::{
    Code, Error, Result,
    generate::{
        Decoder, STEP_TOKENS, StepOutcome,
        sampler::{Sampler, SamplingOptions},
    },
    loader::Loaded,
    session::engine::AnyModel,
};
use std::{path::Path, time::Instant};

/// Prints the speed of each round and, on a GPU with `--profile`, the time of each shader. Writes
/// the shaders' text into the folder of `--shaders`.
pub fn bench(arguments: &Arguments) -> Result<()> {
    let prompt: u32 = arguments.number("prompt")?.unwrap_or(128);
    let generate = arguments.number("generate")?.unwrap_or(48);
    let Loaded { mut model, .. } = load(arguments.word(1, "MODEL")?, arguments, None)?;
    let tokens = synthetic_tokens(prompt, model.vocab_size());
    for _ in 0..arguments.number("rounds")?.unwrap_or(3) {
        model.rewind(0);
        let mut sampler = Sampler::new(SamplingOptions::greedy(), model.vocab_size())?;
        sampler.expect_more(generate);
        let start = Instant::now();
        let mut next = next_token(&mut model, &tokens, &mut sampler)?;
        let prefill = start.elapsed().as_secs_f64();
        let start = Instant::now();
        for left in (0..generate).rev() {
            sampler.expect_more(left);
            next = next_token(&mut model, &[next], &mut sampler)?;
        }
        let decode = start.elapsed().as_secs_f64();
        show(&format!(
            "prefill {:.1} t/s, decode {:.1} t/s\n",
            f64::from(prompt) / prefill,
            generate as f64 / decode
        ))?;
    }
    for (name, timing) in pollster::block_on(model.timings())? {
        show(&format!(
            "{:8.1} ms, {:5} times {name}\n",
            1e3 * timing.seconds,
            timing.dispatches
        ))?;
    }
    if let Some(folder) = arguments.option("shaders") {
        for (name, source) in model.shaders() {
            let path = Path::new(folder).join(name.replace(' ', "-") + ".wgsl");
            std::fs::write(&path, source).map_err(|error| {
                Error::new(
                    Code::Io,
                    format!(
                        "`{}` cannot be written: {error}. Give a folder that exists.",
                        path.display()
                    ),
                )
            })?;
        }
    }
    Ok(())
}

/// Returns tokens that say nothing, to measure with.
pub fn synthetic_tokens(count: u32, vocab_size: usize) -> Vec<u32> {
    (0..count)
        .map(|i| (i * 7919 + 100) % vocab_size as u32)
        .collect()
}

/// Evaluates `tokens` and returns the token that follows.
///
/// # Errors
///
/// `invalid_argument` without tokens, and those of a step.
pub fn next_token(model: &mut AnyModel, tokens: &[u32], sampler: &mut Sampler) -> Result<u32> {
    let mut steps = tokens.chunks(STEP_TOKENS).peekable();
    while let Some(step) = steps.next() {
        let sampler = steps.peek().is_none().then_some(&mut *sampler);
        if let StepOutcome::Done(Some(token)) =
            pollster::block_on(model.step(step, sampler, &mut || false))?
        {
            return Ok(token);
        }
    }
    Err(Error::new(
        Code::InvalidArgument,
        "There are no tokens to run; give --prompt at least 1.",
    ))
}
