//! What lets people look inside: times, taps and the text of shaders.

use super::{
    device::gpu,
    harness::{DIMS, Harness},
    support::tiny::{MODELS, load},
};
use siskin::{
    backend::{Backend, cpu::Cpu, gpu::device::GpuOptions},
    model::layers::Mixer,
    quant::DType,
};

#[test]
fn every_tensor_of_a_model_is_what_the_processor_has() {
    let Some(device) = pollster::block_on(gpu(GpuOptions::default())) else {
        return;
    };
    for &model in MODELS {
        let ((name, ..), mut card) = (model, device.beside());
        card.keep_taps();
        let processor = Cpu {
            taps: Some(Vec::new()),
            ..Cpu::default()
        };
        let (mut on_card, mut on_processor) = (load(card, model), load(processor, model));
        let mut logits = Vec::new();
        // A prompt, and a token that follows.
        for tokens in [&[5, 17, 200, 3, 89, 41, 7, 250, 12][..], &[11]] {
            pollster::block_on(on_card.forward(tokens, Some(&mut logits))).unwrap();
            pollster::block_on(on_processor.forward(tokens, Some(&mut logits))).unwrap();
            let taps = pollster::block_on(on_card.backend.read_taps()).unwrap();
            let expected = on_processor.backend.taps.replace(Vec::new()).unwrap();
            assert_eq!(
                taps.iter().map(|tap| &tap.0).collect::<Vec<_>>(),
                expected.iter().map(|tap| &tap.0).collect::<Vec<_>>()
            );
            // A convolution or a DeltaNet has one tensor less than attention, and a layer with an
            // input of its own one more.
            let config = &on_card.config;
            let of_layer = 5 + usize::from(config.dims.layer_input > 0);
            let first = match config.layers[0].mixer {
                Mixer::Attention => "blk.0.attn_q",
                Mixer::ShortConv => "blk.0.conv",
                Mixer::DeltaNet => "blk.0.delta",
            };
            assert_eq!(
                (taps[0].0.as_str(), taps[1].0.as_str(), taps.len()),
                (
                    "token_embd",
                    first,
                    1 + of_layer * config.dims.layers - config.dims.conv_layers
                )
            );
            for ((tensor, bytes), (_, expected)) in taps.iter().zip(&expected) {
                let got: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
                let largest = expected
                    .iter()
                    .fold(0f32, |largest, x| largest.max(x.abs()));
                let worst = got
                    .iter()
                    .zip(expected)
                    .fold(0f32, |worst, (got, x)| worst.max((got - x).abs()));
                assert!(
                    worst <= 2e-3 * largest,
                    "{name}, {} tokens: {tensor} is off by {worst}, its largest is {largest}",
                    tokens.len()
                );
            }
        }
    }
}

#[test]
fn every_dispatch_is_timed() {
    let Some(mut harness) = pollster::block_on(Harness::new(
        GpuOptions {
            profile: true,
            ..GpuOptions::default()
        },
        &DIMS,
    )) else {
        return;
    };
    let (gate, up) = (
        harness.matrix(DType::Q8_0, 64, 32),
        harness.matrix(DType::Q4_0, 64, 32),
    );
    for tokens in [1, 40] {
        harness.begin(tokens, 32, 0);
        harness.feed_forward([&gate.weight, &up.weight], [false; 2]);
        pollster::block_on(harness.gpu.submit(&mut harness.step)).unwrap();
    }
    let gpu = &mut harness.gpu;
    let timings = pollster::block_on(gpu.timings()).unwrap();
    if !gpu
        .device()
        .device
        .features()
        .contains(wgpu::Features::TIMESTAMP_QUERY)
    {
        eprintln!("SKIPPED: this device measures no times");
        return assert!(timings.is_empty());
    }
    assert_eq!(
        timings
            .values()
            .map(|timing| timing.dispatches)
            .sum::<u64>(),
        gpu.counters().dispatches,
        "{timings:?}"
    );
    assert!(
        timings.contains_key("matmul/matvec A=q8_0 B=q4_0 GATE_UP LANES=32u NORM")
            && timings.contains_key("matmul/tile A=q4_0 GATED SIDE=32u"),
        "{timings:?}"
    );
    assert!(
        timings.values().map(|timing| timing.seconds).sum::<f64>() > 0.0,
        "{timings:?}"
    );
    assert!(
        pollster::block_on(gpu.timings()).unwrap().is_empty(),
        "each is told once"
    );

    let shaders = gpu.shaders();
    assert!(timings.keys().all(|name| {
        shaders
            .iter()
            .any(|(shader, text)| shader == name && text.contains("fn main("))
    }));
}

#[test]
fn a_step_goes_on_behind_a_tap() {
    let Some(mut harness) = pollster::block_on(Harness::new(GpuOptions::default(), &DIMS)) else {
        return;
    };
    let (gate, up, down) = (
        harness.matrix(DType::F32, 64, 32),
        harness.matrix(DType::F32, 64, 32),
        harness.matrix(DType::F32, 32, 64),
    );
    let run = |harness: &mut Harness, is_tapped: bool| {
        harness.begin_with(&[0.5; 64], 32, 0);
        for _ in 0..3 {
            harness.feed_forward([&gate.weight, &up.weight], [false; 2]);
            harness.project_add(&down.weight, false);
            if is_tapped {
                harness.tap(|step| &step.x);
            }
        }
        if !is_tapped {
            harness.tap(|step| &step.x);
        }
        pollster::block_on(harness.taps())
            .iter()
            .map(|x| x[..64].to_vec())
            .collect::<Vec<_>>()
    };
    let (often, once) = (run(&mut harness, true), run(&mut harness, false));
    assert_eq!((often.len(), once.len()), (3, 1));
    assert!(often[2] == once[0] && often[0] != often[1]);
}
