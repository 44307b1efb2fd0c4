//! `siskin bench --gpu --json`: everything about a graphics card that one run can measure.

use crate::{
    arguments::Arguments,
    bench::{next_token, synthetic_tokens},
    files::{model_header, show},
    load::load,
};
use serde_json::{Value, json};
use siskin::{
    Code, Error, Result,
    generate::{
        Decoder,
        sampler::{Sampler, SamplingOptions},
    },
    model::SlotState,
    quant::DType,
    session::engine::{AnyModel, MatmulStrategy},
};
use std::{path::Path, time::Instant};

/// Lists the positions at which tokens are written.
const CONTEXTS: [usize; 3] = [64, 1200, 4000];
/// Lists the lengths of the prompts that are read.
const PROMPTS: [u32; 4] = [32, 128, 512, 2048];
/// Lists the tokens of the steps that are read at once: one, and as many as check drafts.
const CHECKED: [u32; 4] = [1, 2, 4, 8];
/// Counts the steps of each of them; the best one counts.
const CHECKS: usize = 16;
/// Counts the tokens that are written at a context, and those of the profile, whose steps are slow.
const WRITTEN: usize = 32;
const PROFILED: usize = 4;
/// The best of so many rounds counts.
const ROUNDS: usize = 3;
/// Ends a round of written tokens, and the rounds of a measurement: a processor that plays a card
/// would take minutes for what a card does in a second.
const ROUND_SECONDS: f64 = 4.0;
/// Leaves out prompts that would take longer, by what the one before took.
const PROMPT_SECONDS: f64 = 60.0;
/// Counts the times that the choices between kernels are made.
const TUNINGS: usize = 20;
/// Sets the size of the buffer that is copied: more than caches hold.
const COPY_BYTES: usize = 128 << 20;

/// Prints the measurements as JSON.
pub fn card(arguments: &Arguments) -> Result<()> {
    let path = arguments.word(1, "MODEL")?;
    if arguments.option("gpu").is_none() {
        return Err(Error::new(
            Code::InvalidArgument,
            "bench --json measures a graphics card; add --gpu.",
        ));
    }
    let mut model = load(path, arguments, None)?.model;
    let tuning = tuning(&mut model, Path::new(path))?;
    let copy_bytes_per_second = match &mut model {
        AnyModel::Gpu(model) => pollster::block_on(model.backend.copy_bandwidth(COPY_BYTES))?,
        AnyModel::Cpu(_) => 0.0,
    };
    let mut decode = Vec::new();
    for context in contexts(&model) {
        decode.push(json!({
            "context": context,
            "tokens_per_second": best_decode(&mut model, context)?,
        }));
    }
    let prefill = prefill(&mut model)?;
    let checked = checked(&mut model)?;
    let mut report = json!({
        "model": Path::new(path).file_name().map(|name| name.to_string_lossy()),
        "adapter": model.adapter(),
        "features": features(&model),
        "copy_gb_per_second": copy_bytes_per_second / 1e9,
        "tuning": tuning,
        "prefill": prefill,
        "checked": checked,
        "after_a_loss": after_a_loss(&mut model),
    });
    drop(model);

    let mut model = load(path, &arguments.with_switch("profile"), None)?.model;
    for (entry, context) in decode.iter_mut().zip(contexts(&model)) {
        entry["kernels"] = kernels(&mut model, context, copy_bytes_per_second)?;
    }
    report["decode"] = Value::Array(decode);
    show(&format!("{report:#}\n"))
}

/// Returns the contexts that the model's cache has room for.
fn contexts(model: &AnyModel) -> impl Iterator<Item = usize> + use<> {
    let room = model.context_tokens();
    CONTEXTS
        .into_iter()
        .filter(move |context| context + WRITTEN < room)
}

fn features(model: &AnyModel) -> Value {
    match model {
        AnyModel::Gpu(model) => {
            let device = model.backend.device();
            let features = device.features.get();
            json!({
                "subgroups": features.subgroups,
                "f16": features.f16,
                "packed": features.packed,
                "latency_ms": device.latency_ms,
            })
        }
        AnyModel::Cpu(_) => Value::Null,
    }
}

/// Makes the choices between kernels several times, and counts each outcome.
fn tuning(model: &mut AnyModel, path: &Path) -> Result<Value> {
    let AnyModel::Gpu(model) = model else {
        return Ok(Value::Null);
    };
    let file = model_header(path)?;
    let down = file
        .tensors
        .iter()
        .find(|tensor| tensor.name == "blk.0.ffn_down.weight");
    let dtype = down.map_or(DType::F32, |tensor| tensor.dtype);
    let dims = &model.config.dims;
    let chosen = model.backend.device().strategy.get();
    let mut outcomes: Vec<(MatmulStrategy, usize)> = Vec::new();
    for _ in 0..TUNINGS {
        let tune = model.backend.tune(dtype, dims.embedding, dims.feed_forward);
        pollster::block_on(tune)?;
        let strategy = model.backend.device().strategy.get();
        match outcomes.iter_mut().find(|(other, _)| *other == strategy) {
            Some((_, count)) => *count += 1,
            None => outcomes.push((strategy, 1)),
        }
    }
    model.backend.device().strategy.set(chosen);
    let outcome = |(strategy, count): (MatmulStrategy, usize)| {
        json!({
            "int8_dot": strategy.int8_dot,
            "f16_tiles": strategy.f16_tiles,
            "count": count,
        })
    };
    Ok(outcomes.into_iter().map(outcome).collect())
}

/// Returns the tokens a second at a context, in the best of some rounds.
fn best_decode(model: &mut AnyModel, context: usize) -> Result<f64> {
    let (mut best, start) = (0f64, Instant::now());
    for _ in 0..ROUNDS {
        best = best.max(decode(model, context, WRITTEN)?);
        if start.elapsed().as_secs_f64() > ROUND_SECONDS {
            break;
        }
    }
    Ok(best)
}

/// Writes at most `count` tokens behind a context that was not read, but put there: what it holds
/// makes no difference to the time. Returns the tokens a second.
fn decode(model: &mut AnyModel, context: usize, count: usize) -> Result<f64> {
    let dims = match model {
        AnyModel::Gpu(model) => model.config.dims.clone(),
        AnyModel::Cpu(model) => model.config.dims.clone(),
    };
    let elements = dims.cached_numbers(context);
    model.import_slot(&SlotState {
        tokens: synthetic_tokens(context as u32, dims.vocab),
        kv: vec![0; elements],
        ..SlotState::default()
    })?;
    let mut sampler = Sampler::new(SamplingOptions::greedy(), dims.vocab)?;
    let mut next = next_token(model, &[0], &mut sampler)?;
    let start = Instant::now();
    for written in 1..=count {
        sampler.expect_more(count - written);
        next = next_token(model, &[next], &mut sampler)?;
        let seconds = start.elapsed().as_secs_f64();
        if written == count || seconds > ROUND_SECONDS {
            return Ok(written as f64 / seconds);
        }
    }
    Ok(0.0)
}

/// Reads prompts of several lengths, until one would take too long.
fn prefill(model: &mut AnyModel) -> Result<Value> {
    let mut list = Vec::new();
    let mut seconds_per_token = 0.0;
    for count in PROMPTS {
        if seconds_per_token * f64::from(count) > PROMPT_SECONDS
            || count as usize >= model.context_tokens()
        {
            list.push(json!({"tokens": count, "skipped": "it would take too long, or not fit"}));
            continue;
        }
        let tokens = synthetic_tokens(count, model.vocab_size());
        let mut seconds = f64::INFINITY;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            model.rewind(0);
            let mut sampler = Sampler::new(SamplingOptions::greedy(), model.vocab_size())?;
            let start_round = Instant::now();
            next_token(model, &tokens, &mut sampler)?;
            seconds = seconds.min(start_round.elapsed().as_secs_f64());
            if start.elapsed().as_secs_f64() > ROUND_SECONDS {
                break;
            }
        }
        seconds_per_token = seconds / f64::from(count);
        list.push(json!({
            "tokens": count,
            "tokens_per_second": 1.0 / seconds_per_token,
        }));
    }
    Ok(Value::Array(list))
}

/// Times steps that check drafts, from an empty context on, with the reading of their likeliest
/// tokens.
fn checked(model: &mut AnyModel) -> Result<Value> {
    let AnyModel::Gpu(model) = model else {
        return Ok(Value::Null);
    };
    let mut list = Vec::new();
    for count in CHECKED {
        let tokens = synthetic_tokens(count, model.vocab_size());
        let (mut seconds, start) = (f64::INFINITY, Instant::now());
        for _ in 0..CHECKS {
            model.rewind(0);
            let start_step = Instant::now();
            pollster::block_on(model.step_argmax(&tokens))?;
            seconds = seconds.min(start_step.elapsed().as_secs_f64());
            if start.elapsed().as_secs_f64() > ROUND_SECONDS {
                break;
            }
        }
        list.push(json!({"tokens": count, "milliseconds": 1e3 * seconds}));
    }
    Ok(Value::Array(list))
}

/// Returns what each kernel takes of a token at a context, with the share of a plain copy's
/// bandwidth at which it reads weights and cache.
fn kernels(model: &mut AnyModel, context: usize, copy_bytes_per_second: f64) -> Result<Value> {
    // What is compiled at first is not timed.
    decode(model, context, 1)?;
    pollster::block_on(model.timings())?;
    decode(model, context, PROFILED)?;
    let timings = pollster::block_on(model.timings())?;
    let entry = |(name, timing): (String, siskin::backend::gpu::Timing)| {
        let bytes_per_second = match timing.seconds > 0.0 {
            true => timing.read_bytes as f64 / timing.seconds,
            false => 0.0,
        };
        json!({
            "kernel": name,
            "dispatches": timing.dispatches,
            "microseconds": 1e6 * timing.seconds / timing.dispatches.max(1) as f64,
            "gb_per_second": bytes_per_second / 1e9,
            "share_of_copy": bytes_per_second / copy_bytes_per_second,
        })
    };
    Ok(timings.into_iter().map(entry).collect())
}

/// Takes the device away, and returns the code of the error that a step gives then.
fn after_a_loss(model: &mut AnyModel) -> &'static str {
    model.abandon();
    let greedy = Sampler::new(SamplingOptions::greedy(), model.vocab_size());
    model.rewind(0);
    match greedy.and_then(|mut sampler| next_token(model, &[0], &mut sampler)) {
        Ok(_) => "none",
        Err(error) => error.code.as_str(),
    }
}
