//! Drivers that miscompile: the card goes on with the features that work, and is refused only where
//! what every device has is wrong.

use super::{device::gpu, support::tiny};
use siskin::{
    Code, Result,
    backend::gpu::device::{GpuOptions, MatmulStrategy, ShaderFeatures},
    generate::Decoder,
    loader::Options,
    session::{
        engine::{AnyLoader, AnyModel, Pool},
        info::ModelInfo,
    },
    tensor::difference,
};

/// A chat model of Q4_0 weights, whose products can be dots of bytes and tiles of f16.
const FILE: &[u8] = include_bytes!("../fixtures/models/chat-tiny.gguf");
/// The bytes that come before the card is tried: the header, and some of the weights behind it.
const FIRST_BYTES: usize = 200_000;

/// All that can be wrong is in use.
const EVERYTHING: Option<MatmulStrategy> = Some(MatmulStrategy {
    int8_dot: true,
    f16_tiles: true,
});

/// Returns the logits of a prompt and of a token behind it.
fn logits(model: &mut AnyModel) -> Vec<f32> {
    let (mut all, mut logits) = (Vec::new(), Vec::new());
    for tokens in [&[5, 17, 20, 3, 89, 41, 7, 50, 12][..], &[11]] {
        pollster::block_on(model.step_all(tokens, &mut logits, &mut || false)).expect("a step");
        all.extend_from_slice(&logits);
    }
    all
}

fn loaded(mut loader: AnyLoader) -> Result<(ModelInfo, Vec<f32>)> {
    loader.push(&FILE[..FIRST_BYTES])?;
    pollster::block_on(loader.probe(0))?;
    // Each byte comes once, whatever the probe found.
    loader.push(&FILE[FIRST_BYTES..])?;
    let mut loaded = loader.finish()?;
    let info = ModelInfo::from(&loaded);
    Ok((info, logits(&mut loaded.model)))
}

type Lies = &'static [(&'static str, &'static str)];

/// Loads the model on a card whose driver puts other texts in the place of some. Returns the
/// features that it goes on with; `None` without a card.
fn features_left(
    strategy: Option<MatmulStrategy>,
    lies: Lies,
) -> Option<Result<Vec<&'static str>>> {
    let options = GpuOptions {
        miscompiled: lies,
        strategy,
        ..GpuOptions::default()
    };
    // A machine that lacks a feature cannot tell what becomes of it.
    let found = pollster::block_on(gpu(options))?;
    if found.features().len() < 3 {
        eprintln!(
            "SKIPPED: {} has no more than {:?}",
            found.adapter(),
            found.features()
        );
        return None;
    }
    let on_card = AnyLoader::on_gpu(Options::default(), options);
    let (info, found) = match loaded(pollster::block_on(on_card).expect("a card")) {
        Ok(loaded) => loaded,
        Err(error) => return Some(Err(error)),
    };
    let (_, expected) =
        loaded(AnyLoader::cpu(Options::default(), Pool::new(1))).expect("a processor");
    let off = difference(&found, &expected);
    assert!(off < 0.05, "{lies:?}: off by {off}");
    assert_eq!((info.backend, info.adapter.is_some()), ("gpu", true));
    Some(Ok(info.gpu_features.expect("of a card")))
}

const SUBGROUPS: &str = "subgroups";
const F16: &str = "shader-f16";
const PACKED: &str = "packed_4x8_integer_dot_product";

/// Asserts which features a card with such a driver goes on with.
fn check(strategy: Option<MatmulStrategy>, lies: Lies, left: &[&str]) {
    if let Some(features) = features_left(strategy, lies) {
        assert_eq!(features.expect("a card"), left, "{lies:?}");
    }
}

#[test]
fn a_card_that_is_right_keeps_its_features() {
    check(EVERYTHING, &[], &[SUBGROUPS, F16, PACKED]);
}

#[test]
fn f16_tiles_that_are_wrong_are_done_without() {
    const LEFT: &[&str] = &[SUBGROUPS, PACKED];
    check(
        EVERYTHING,
        &[("largest[token] * a,", "1.5 * largest[token] * a,")],
        LEFT,
    );
    check(
        EVERYTHING,
        &[("alias Four = vec4<f16>;", "alias Four = vec4<f61>;")],
        LEFT,
    );
    check(
        None,
        &[("alias Four = vec4<f16>;", "alias Four = vec4<f61>;")],
        LEFT,
    );
}

#[test]
fn dots_of_bytes_that_are_wrong_are_done_without() {
    const LEFT: &[&str] = &[SUBGROUPS, F16];
    check(
        EVERYTHING,
        &[("128 * four_words(q.first", "64 * four_words(q.first")],
        LEFT,
    );
    check(
        EVERYTHING,
        &[("dot4I8Packed(a.x", "dot4I8Unpacked(a.x")],
        LEFT,
    );
    check(None, &[("dot4I8Packed(a.x", "dot4I8Unpacked(a.x")], LEFT);
}

#[test]
fn sums_over_subgroups_that_are_wrong_are_done_without() {
    const LEFT: &[&str] = &[F16, PACKED];
    check(
        EVERYTHING,
        &[("= subgroupAdd(sum)", "= 0.5 * subgroupAdd(sum)")],
        LEFT,
    );
    check(
        EVERYTHING,
        &[("= subgroupAdd(sum)", "= subgroupAll(sum)")],
        LEFT,
    );
}

#[test]
fn two_features_that_are_wrong_leave_what_every_device_has() {
    const LIES: Lies = &[
        ("= subgroupAdd(sum)", "= 0.5 * subgroupAdd(sum)"),
        ("largest[token] * a,", "1.5 * largest[token] * a,"),
    ];
    check(EVERYTHING, LIES, &[]);
}

#[test]
fn a_card_is_refused_where_what_every_device_has_is_wrong() {
    const LIES: [Lies; 4] = [
        &[("x / (1.0 + exp(-x))", "7.0 * x / (1.0 + exp(-x))")],
        &[("x / (1.0 + exp(-x))", "x / (1.0 + exp(-x)")],
        // Of the steps that check drafts alone: half of the columns, and the first token of all.
        &[("a + weights[mine]", "a")],
        &[("select(first.y, NONE,", "select(0u, NONE,")],
    ];
    for lies in LIES {
        if let Some(outcome) = features_left(EVERYTHING, lies) {
            let error = outcome.expect_err("a wrong kernel");
            assert_eq!(error.code, Code::GpuRefused, "{}", error.message);
        }
    }
}

#[test]
fn a_card_that_is_slower_is_told_from_one_that_is_wrong() {
    if pollster::block_on(gpu(GpuOptions::default())).is_none() {
        return;
    }
    let on_card = AnyLoader::on_gpu(Options::default(), GpuOptions::default());
    let mut loader = pollster::block_on(on_card).expect("a card");
    loader.push(&FILE[..FIRST_BYTES]).expect("a header");
    // No card is faster at a model this small than so many threads would be.
    let error = pollster::block_on(loader.probe(1_000_000)).expect_err("a slower card");
    assert_eq!(error.code, Code::GpuSlower, "{}", error.message);
}

/// The weights of the test are made up, in the shape that the architecture has.
#[test]
fn the_test_of_a_card_passes_for_every_architecture() {
    if pollster::block_on(gpu(GpuOptions::default())).is_none() {
        return;
    }
    for (name, file, _) in tiny::MODELS {
        let on_card = AnyLoader::on_gpu(Options::default(), GpuOptions::default());
        let mut loader = pollster::block_on(on_card).expect("a card");
        let (first, last) = file.split_at(file.len() - 1);
        loader.push(first).expect("a header");
        pollster::block_on(loader.probe(0)).unwrap_or_else(|e| panic!("{name}: {e}"));
        loader.push(last).expect("the last byte");
        loader.finish().expect("a model");
    }
}

/// A page gives the features that worked to the next load ([`ShaderFeatures::named`]).
#[test]
fn a_load_uses_no_other_features_than_those_that_are_named() {
    for bits in 0..8 {
        let features = ShaderFeatures {
            subgroups: bits & 1 > 0,
            f16: bits & 2 > 0,
            packed: bits & 4 > 0,
            ..ShaderFeatures::ALL
        };
        let names: Vec<String> = features.names().into_iter().map(str::to_owned).collect();
        assert_eq!(ShaderFeatures::named(&names), features, "{names:?}");
        let options = GpuOptions {
            features,
            ..GpuOptions::default()
        };
        if let Some(gpu) = pollster::block_on(gpu(options)) {
            let found = gpu.features();
            assert!(
                found.iter().all(|name| names.iter().any(|one| one == name)),
                "{found:?}"
            );
        }
    }
    let unknown = ["f64", "subgroups "].map(str::to_owned);
    assert!(ShaderFeatures::named(&unknown).names().is_empty());
}

/// WGSL does not say which lanes of a workgroup form a subgroup: they are sorted anew here.
#[test]
fn any_lanes_may_form_a_subgroup() {
    const SORTED_ANEW: Lies = &[(
        "(local_invocation_index) lane: u32,\n) {\n  var group = id.y * op.groups + id.x;",
        "(local_invocation_index) i: u32,\n) {\n  let lane = i * 4u % 32u + i / 8u;\n  \
         var group = id.y * op.groups + id.x;",
    )];
    check(EVERYTHING, SORTED_ANEW, &[SUBGROUPS, F16, PACKED]);
}
