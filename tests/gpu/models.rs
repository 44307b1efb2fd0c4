//! Whole tiny models against what Hugging Face transformers computes.

use super::{
    device::{gpu, tiers},
    support::{
        adapted::{ADAPTED, MIXED, check_adapter, check_merged, load_with},
        data::THOROUGH,
        golden::ids,
        odd_formats::{check_factors, check_format, odd_formats},
        tiny::{
            ENCODERS, GEMMA4, MODELS, ROUNDED, Tiny, check, check_cache, check_windows, load,
            windowed,
        },
    },
};
use serde_json::Value;
use siskin::{
    Code,
    backend::gpu::device::GpuOptions,
    generate::sampler::{Sampler, SamplingOptions},
    loader::{Loader, Options},
    model::StepOutcome,
    quant::DType,
};

/// The models that browsers run. They have every shader that any of `MODELS` has, which is compared
/// natively; what else a model is made of, the host computes.
const IN_BROWSERS: [&str; 10] = [
    "llama-bias-tiny",
    "qwen2-bias-tiny",
    "qwen3-tiny",
    "gemma2-tiny",
    "gemma4-tiny",
    "phi3-tiny",
    "smollm3-tiny",
    "granite-tiny",
    "lfm2-tiny",
    "qwen35-tiny",
];
/// Of the kinds of caches that browsers run, one model each: keys and values, windows, heads of two
/// lengths that layers share, the last inputs of convolutions, and states.
const CACHES_IN_BROWSERS: [&str; 5] = [
    "llama-bias-tiny",
    "gemma3-tiny",
    "gemma4-tiny",
    "lfm2-tiny",
    "qwen35-tiny",
];

/// In a browser, where compiling takes long, those alone whose logits differ: products have checks of their own.
pub fn f32_and_f16() -> Vec<GpuOptions> {
    let tiers = tiers();
    if THOROUGH {
        tiers
    } else {
        tiers
            .into_iter()
            .filter(|options| {
                !options.strategy.unwrap_or_default().int8_dot && options.max_part_bytes.is_none()
            })
            .collect()
    }
}

/// The models share a device, for compiling takes most of the time.
pub async fn tiny_models(options: GpuOptions) {
    let strategy = options.strategy.unwrap_or_default();
    let bar = if strategy.f16_tiles { 1e-2 } else { 1e-3 };
    // What differs between the other tiers are products, which have checks of their own.
    let is_first = options.max_part_bytes.is_none() && !strategy.int8_dot;
    let Some(device) = gpu(options).await else {
        return;
    };
    let in_browsers = |model: &&Tiny| IN_BROWSERS.contains(&model.0);
    for &model in MODELS.iter().filter(in_browsers) {
        if is_first || ROUNDED.contains(&model.0) {
            check(device.beside(), model, bar).await;
        }
    }
    if THOROUGH {
        let compiled = device.shaders().len();
        for &model in MODELS.iter().filter(|model| !in_browsers(model)) {
            if is_first || ROUNDED.contains(&model.0) {
                check(device.beside(), model, bar).await;
            }
        }
        let all = device.shaders().len();
        assert!(
            !is_first || all == compiled,
            "IN_BROWSERS lacks a model with other shaders"
        );
    }
}

/// The card samples, and the host reads embeddings of each token before the next step.
pub async fn tokens_that_the_host_reads(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    let mut model = load(device.beside(), GEMMA4);
    let golden: Value = serde_json::from_str(GEMMA4.2).unwrap();
    let mut sampler = Sampler::new(SamplingOptions::greedy(), model.vocab_size()).unwrap();
    let (mut tokens, mut greedy) = (ids(&golden["prompt"]), Vec::new());
    while greedy.len() < 16 {
        let step = model.step(&tokens, Some(&mut sampler), &mut || false).await;
        let Ok(StepOutcome::Done(Some(token))) = step else {
            panic!("no token: {step:?}");
        };
        greedy.push(token);
        tokens = vec![token];
    }
    assert_eq!(greedy, ids(&golden["greedy"]));
}

/// Encoders are the processor's: the card says so when the header has come, and a page falls back.
pub async fn encoders_are_refused(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    for (_, file, _) in ENCODERS {
        let mut loader = Loader::new(device.beside(), Options::default());
        let error = loader.push(file).expect_err("it has no kernels for them");
        assert_eq!(error.code, Code::GpuUnsupported);
        assert!(error.code.is_device());
    }
}

/// Steps of one token, of few and of many take ways of their own to the cache.
pub async fn tiny_caches(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    let is_asked = |model: &&Tiny| THOROUGH || CACHES_IN_BROWSERS.contains(&model.0);
    for &model in MODELS.iter().filter(is_asked) {
        check_cache(device.beside(), model, 1e-2).await;
    }
    // Of architectures with windows one is enough in a browser.
    for (model, room) in windowed().filter(|(tiny, _)| THOROUGH || tiny.0 == "gemma3-tiny") {
        check_windows(device.beside(), model, room, 1e-2).await;
    }
}

/// Whole small models in the formats with a codebook: all of them on one device, and one of each
/// layout on the others and in a browser.
pub async fn odd_models(options: GpuOptions) {
    let strategy = options.strategy.unwrap_or_default();
    let bar = if strategy.f16_tiles { 1e-2 } else { 1e-3 };
    let Some(device) = gpu(options).await else {
        return;
    };
    let has_all = THOROUGH && strategy.int8_dot && options.max_part_bytes.is_none();
    let is_asked = |dtype: &DType| has_all || matches!(dtype, DType::IQ4NL | DType::IQ3XXS);
    for dtype in odd_formats().filter(is_asked) {
        check_format(device.beside(), dtype, DType::F32, bar).await;
    }
    check_factors(device.beside(), bar).await;
}

/// Adapters of layers, and what is told of one for what is looked up.
pub async fn adapters(options: GpuOptions) {
    let strategy = options.strategy.unwrap_or_default();
    let bar = if strategy.f16_tiles { 1e-2 } else { 1e-3 };
    let Some(device) = gpu(options).await else {
        return;
    };
    for adapted in ADAPTED {
        // The others have no shaders of their own.
        if !THOROUGH && !["gemma2-tiny", "qwen3-tiny"].contains(&adapted.tiny.0) {
            continue;
        }
        if adapted.tiny.0 == "qwen3-tiny" {
            let refused = load_with(device.beside(), adapted.tiny.1, &[adapted.adapter]);
            assert_eq!(refused.err().map(|it| it.code), Some(Code::GpuUnsupported));
        } else {
            check_adapter(device.beside(), device.beside(), adapted, bar).await;
        }
    }
    if !THOROUGH {
        return;
    }
    let [(qwen35, names), (lfm2, of_convolutions)] = MIXED;
    check_merged(device.beside(), device.beside(), qwen35, names, bar as f32).await;
    // Only what stands before a convolution is left to the processor.
    let behind = &of_convolutions[1..];
    check_merged(device.beside(), device.beside(), lfm2, behind, bar as f32).await;
}
