//! What a token costs beside its arithmetic, once everything is warm.

use super::{
    device::gpu,
    tiny::{LLAMA3, QWEN2, load},
};
use siskin::{
    backend::gpu::{Counters, Gpu, device::GpuOptions},
    generate::sampler::{Sampler, SamplingOptions},
    model::{Model, Outcome},
};
use std::time::Instant;

const WINDOW: u64 = 20;

/// The token that follows.
fn next(model: &mut Model<Gpu>, tokens: &[u32], sampler: &mut Sampler) -> u32 {
    match pollster::block_on(model.step(tokens, Some(sampler), &mut || false)).unwrap() {
        Outcome::Done(Some(token)) => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_is_one_pass_one_submit_and_four_bytes() {
    for file in [QWEN2, LLAMA3] {
        for options in [SamplingOptions::greedy(), SamplingOptions { seed: Some(1), frequency_penalty: 0.5, ..SamplingOptions::default() }]
        {
            let Some(gpu) = gpu(GpuOptions::default()) else { return };
            let mut model = load(gpu, file.1);
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
            let blocks = model.spec.widths.blocks as u64;
            let dispatches = (after.dispatches - before.dispatches) / WINDOW;
            // Beside the blocks: the embedding, the head and the three of the choice.
            let per_block = (dispatches - 5) as f64 / blocks as f64;
            println!("{}: {per_block} dispatches a block, {dispatches} a token", file.0);
            assert!(per_block <= 7.0);
        }
    }
}

#[test]
fn a_stop_and_a_new_prompt_leave_no_trace() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let mut model = load(gpu, LLAMA3.1);
    let answer = |model: &mut Model<Gpu>, prompt: &[u32], tokens: usize| {
        model.truncate(0);
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
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let mut model = load(gpu, LLAMA3.1);
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
fn a_long_context_costs_little() {
    let Some(gpu) = gpu(GpuOptions::default()) else { return };
    let Some(path) = super::model_path::model_path("SmolLM2-135M-Instruct.Q4_1.gguf") else { return };
    let mut loader = siskin::loader::Loader::new(gpu, siskin::loader::Options { context_tokens: Some(1400) });
    loader.push(&std::fs::read(path).unwrap()).unwrap();
    let mut model = loader.finish().unwrap().model;
    // Keys and values of 30 blocks with three heads of 64, two bytes each.
    let cache_bytes = 1400 * 30 * 2 * 3 * 64 * 2;
    let mut decode = |context: usize| {
        model.truncate(0);
        let mut sampler = Sampler::new(SamplingOptions::greedy(), model.vocab_size()).unwrap();
        let prompt: Vec<u32> = (0..context as u32).map(|i| 100 + i % 1000).collect();
        let (last, rest) = prompt.split_last().unwrap();
        for chunk in rest.chunks(64) {
            pollster::block_on(model.step(chunk, None::<&mut Sampler>, &mut || false)).unwrap();
        }
        sampler.expect_more(100);
        let mut token = next(&mut model, &[*last], &mut sampler);
        // The fastest of several: other programs can only slow one down.
        let mut fastest = f64::INFINITY;
        for _ in 0..4 {
            let start = Instant::now();
            for _ in 0..4 {
                token = next(&mut model, &[token], &mut sampler);
            }
            fastest = fastest.min(start.elapsed().as_secs_f64() / 4.0);
        }
        fastest
    };
    let (short, long) = (decode(64), decode(1200));
    let bytes = model.backend.counters().buffer_bytes;
    println!("{bytes} bytes on the device");
    assert!(bytes < 98_362_432 + cache_bytes + (64 << 20));
    println!("a token takes {:.1} ms at 64, {:.1} ms at 1,200: {:.2} times", 1e3 * short, 1e3 * long, long / short);
    assert!(long <= 1.25 * short);
}
