//! Conversations that move between backends, and that share a beginning.

use super::{
    device::gpu,
    side_by_side::DIMS,
    support::tiny::{QWEN2, load},
};
use half::f16;
use siskin::{
    backend::{
        Backend, CacheSize, Dims,
        cpu::Cpu,
        gpu::{
            Cache, Gpu,
            device::{CacheType, GpuOptions},
        },
    },
    model::Model,
};
use std::ops::Range;

/// Returns the logits after `tokens`, of which the first `cached_tokens` are in the slot in use.
fn logits_after<B: Backend>(
    model: &mut Model<B>,
    tokens: &[u32],
    cached_tokens: usize,
) -> Vec<f32> {
    assert_eq!(model.select_slot(tokens), cached_tokens);
    let mut logits = Vec::new();
    pollster::block_on(model.forward(&tokens[cached_tokens..], Some(&mut logits)))
        .expect("a good step");
    logits
}

/// Returns the largest difference, as a share of the largest value.
fn difference(a: impl Iterator<Item = f32> + Clone, b: impl Iterator<Item = f32>) -> f32 {
    let largest = a.clone().fold(0.0, |m: f32, x| m.max(x.abs()));
    a.zip(b).fold(0.0, |m: f32, (a, b)| m.max((a - b).abs())) / largest
}

#[test]
fn a_slot_moves_from_the_processor_to_the_card_and_back() {
    let tokens: Vec<u32> = (0..60).map(|i| i * 7 % 384).collect();
    for cache_type in CacheType::ALL {
        let options = GpuOptions {
            cache_type,
            ..GpuOptions::default()
        };
        let Some(backend) = pollster::block_on(gpu(options)) else {
            return;
        };
        let mut cpu = load(Cpu::default(), QWEN2);
        let expected = logits_after(&mut cpu, &tokens, 0);
        cpu.rewind(45);
        let state = pollster::block_on(cpu.export_slot()).expect("memory");

        let mut card = load(backend, QWEN2);
        // What the card's own cache makes of it; then another conversation takes its place.
        let own = logits_after(&mut card, &tokens, 0);
        logits_after(&mut card, &[5; 100], 0);
        card.import_slot(&state).expect("the same model");
        let logits = logits_after(&mut card, &tokens, 45);
        // A cache of bytes is off by itself, and what comes from elsewhere is rounded once more.
        let bar = 1e-3 + difference(own.iter().copied(), expected.iter().copied());
        let off = difference(own.iter().copied(), logits.into_iter());
        assert!(off < bar, "{cache_type:?}: the logits are off by {off}");

        card.rewind(45);
        let back = pollster::block_on(card.export_slot()).expect("memory");
        assert_eq!(back.tokens, state.tokens);
        match cache_type {
            CacheType::F16 => assert!(back.kv == state.kv, "numbers changed on their way"),
            CacheType::Q8_0 => {
                let [there, here] = [&state, &back].map(|state| {
                    let values = state.kv.iter().map(|&bits| f16::from_bits(bits).to_f32());
                    values.collect::<Vec<_>>()
                });
                // Half a step of the block's largest value, and f16's own rounding.
                for (there, here) in there.chunks(32).zip(here.chunks(32)) {
                    let off = difference(there.iter().copied(), here.iter().copied());
                    assert!(off < 0.5 / 127.0 + 1e-3, "a block is off by {off}");
                }
                let mut once_more =
                    load(pollster::block_on(gpu(options)).expect("as before"), QWEN2);
                once_more.import_slot(&back).expect("the same model");
                let again = pollster::block_on(once_more.export_slot()).expect("memory");
                assert!(again.kv == back.kv, "bytes change each time that they move");
            }
        }

        cpu.import_slot(&back).expect("the same model");
        let logits = logits_after(&mut cpu, &tokens, 45);
        let off = difference(expected.iter().copied(), logits.into_iter());
        assert!(off < bar, "{cache_type:?} and back: off by {off}");
    }
}

#[test]
fn the_card_copies_a_beginning_that_two_slots_share() {
    for cache_type in CacheType::ALL {
        let options = GpuOptions {
            cache_type,
            ..GpuOptions::default()
        };
        let Some(mut gpu) = pollster::block_on(gpu(options)) else {
            return;
        };
        let dims = Dims {
            layers: 3,
            conv_layers: 1,
            delta: None,
            kv_heads: 2,
            ..DIMS
        };
        let [from, mut to] = [0, 1]
            .map(|_| gpu.cache(&dims, &CacheSize::whole(dims.layers, 40)))
            .map(|cache| cache.expect("memory"));
        let elements = dims.cached_numbers(1);
        let kv: Vec<u16> = (0..elements * 40)
            .map(|i| f16::from_f32((i % 97) as f32 - 48.0).to_bits())
            .collect();
        let mut from = from;
        gpu.import(&dims, &mut from, &[0..40, 0..40, 0..40], &kv);
        gpu.copy_cache(&from, &mut to, &[0..33, 0..33, 0..33]);
        let all = |gpu: &mut Gpu, cache: &Cache, positions: Range<usize>| {
            let positions = [positions.clone(), positions.clone(), positions];
            pollster::block_on(gpu.export(&dims, cache, &positions)).expect("the device works")
        };
        assert!(all(&mut gpu, &from, 0..33) == all(&mut gpu, &to, 0..33));
        let behind = all(&mut gpu, &to, 33..40);
        assert!(
            behind.iter().all(|&bits| bits & 0x7fff == 0),
            "too much was copied"
        );
        // A part of the positions.
        let part = all(&mut gpu, &from, 7..20);
        gpu.import(&dims, &mut to, &[27..40, 27..40, 27..40], &part);
        assert!(all(&mut gpu, &to, 27..40) == part);
    }
}
