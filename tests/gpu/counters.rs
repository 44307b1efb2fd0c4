//! What a token costs beside its arithmetic, once everything is warm.

use super::{
    device::gpu,
    support::{
        model_path::model_path,
        tiny::{LLAMA3, QWEN2, load},
    },
};
use siskin::{
    backend::gpu::{
        Counters, Gpu,
        device::{CacheType, GpuOptions},
    },
    generate::sampler::{Sampler, SamplingOptions},
    loader::{Loader, Options},
    model::{Model, StepOutcome},
};
const WINDOW: u64 = 20;

/// The token that follows.
fn next(model: &mut Model<Gpu>, tokens: &[u32], sampler: &mut Sampler) -> u32 {
    match pollster::block_on(model.step(tokens, Some(sampler), &mut || false)).unwrap() {
        StepOutcome::Done(Some(token)) => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_is_one_pass_one_submit_and_four_bytes() {
    for file in [QWEN2, LLAMA3] {
        let sampled = SamplingOptions {
            seed: Some(1),
            frequency_penalty: 0.5,
            ..SamplingOptions::default()
        };
        for (options, cache_type) in [
            (SamplingOptions::greedy(), CacheType::F16),
            (sampled, CacheType::F16),
            (SamplingOptions::greedy(), CacheType::Q8_0),
        ] {
            let Some(gpu) = pollster::block_on(gpu(GpuOptions {
                cache_type,
                ..GpuOptions::default()
            })) else {
                return;
            };
            let mut model = load(gpu, file);
            let is_greedy = options.temperature == 0.0;
            let mut sampler = Sampler::new(options, model.vocab_size()).unwrap();
            sampler.expect_more(1000);
            let mut token = next(&mut model, &[1, 2, 3], &mut sampler);
            let steps = 40;
            let mut before = Counters::default();
            for step in 0..steps + WINDOW {
                if step == steps {
                    before = model.backend.counters();
                }
                token = next(&mut model, &[token], &mut sampler);
            }
            let after = model.backend.counters();
            // As many steps as tokens: the depth does not change any more.
            assert_eq!(after.submits - before.submits, WINDOW);
            assert_eq!(after.passes - before.passes, WINDOW);
            assert_eq!(after.read_bytes - before.read_bytes, 4 * WINDOW);
            assert_eq!(after.buffers, before.buffers, "buffers");
            assert_eq!(after.bind_groups, before.bind_groups, "bind groups");
            let layers = model.config.dims.layers as u64;
            let dispatches = (after.dispatches - before.dispatches) / WINDOW;
            // Beside the layers there are the embedding, the head, penalties and the draw, and the
            // filters where anything is drawn.
            let beside = if is_greedy { 4 } else { 5 };
            let per_layer = (dispatches - beside) as f64 / layers as f64;
            println!(
                "{}: {per_layer} dispatches a layer, {dispatches} a token",
                file.0
            );
            assert!(per_layer.fract() == 0.0 && per_layer <= 7.0);
        }
    }
}

#[test]
fn a_stop_and_a_new_prompt_leave_no_trace() {
    let Some(gpu) = pollster::block_on(gpu(GpuOptions::default())) else {
        return;
    };
    let mut model = load(gpu, LLAMA3);
    let answer = |model: &mut Model<Gpu>, prompt: &[u32], tokens: usize| {
        model.rewind(0);
        let mut sampler = Sampler::new(SamplingOptions::greedy(), model.vocab_size()).unwrap();
        sampler.expect_more(100);
        let mut answer = vec![next(model, prompt, &mut sampler)];
        while answer.len() < tokens {
            answer.push(next(model, &[answer[answer.len() - 1]], &mut sampler));
        }
        answer
    };
    let whole = answer(&mut model, &[5, 6, 7, 8], 20);
    // Ends while steps are under way.
    answer(&mut model, &[9, 10, 11], 3);
    assert_eq!(answer(&mut model, &[5, 6, 7, 8], 20), whole);
}

#[test]
fn the_last_position_of_the_context_is_reached_and_no_other() {
    let Some(gpu) = pollster::block_on(gpu(GpuOptions::default())) else {
        return;
    };
    let mut model = load(gpu, LLAMA3);
    let context_tokens = model.context_tokens();
    let prompt: Vec<u32> = (0..context_tokens as u32 - 4).map(|i| i % 300).collect();
    let mut sampler = Sampler::new(SamplingOptions::greedy(), model.vocab_size()).unwrap();
    for chunk in prompt[..prompt.len() - 1].chunks(64) {
        pollster::block_on(model.step(chunk, None::<&mut Sampler>, &mut || false)).unwrap();
    }
    sampler.expect_more(100);
    let mut token = next(&mut model, &prompt[prompt.len() - 1..], &mut sampler);
    for _ in 0..4 {
        token = next(&mut model, &[token], &mut sampler);
    }
    assert_eq!(model.cached_tokens(), context_tokens);
    assert!(pollster::block_on(model.step(&[token], Some(&mut sampler), &mut || false)).is_err());
}

#[test]
fn the_device_holds_weights_cache_and_little_more() {
    let Some(path) = model_path("SmolLM2-135M-Instruct.Q4_1.gguf") else {
        return;
    };
    let file = std::fs::read(path).unwrap();
    let Some(gpu) = pollster::block_on(gpu(GpuOptions::default())) else {
        return;
    };
    let mut loader = Loader::new(
        gpu,
        Options {
            context_tokens: Some(1400),
            ..Options::default()
        },
    );
    loader.push(&file).unwrap();
    let mut model = loader.finish().unwrap().model;
    let mut sampler = Sampler::new(SamplingOptions::greedy(), model.vocab_size()).unwrap();
    next(&mut model, &[1, 2, 3, 4, 5, 6, 7, 8, 9], &mut sampler);
    // Keys and values of 30 blocks with three heads of 64, two bytes each.
    let cache_bytes = 1400 * 30 * 2 * 3 * 64 * 2;
    let bytes = model.backend.counters().buffer_bytes;
    println!("{bytes} bytes on the device");
    assert!(bytes < file.len() as u64 + cache_bytes + (64 << 20));
}
