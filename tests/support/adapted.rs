//! Tiny models with LoRA adapters, which `tests/fixtures/models/make_lora.py` makes.

use super::{
    golden::teacher_forced,
    model_file::{ModelFile, Tensor},
    random::Random,
    tiny::{Tiny, check_model, load},
};
use siskin::{
    Result,
    backend::Backend,
    format::metadata::Metadata,
    loader::{Loader, Options},
    model::Model,
    quant::DType,
};

/// Is a tiny model with an adapter.
pub struct Adapted {
    /// Is the model.
    pub tiny: Tiny,
    /// Holds the adapter's file.
    pub adapter: &'static [u8],
    /// Holds what transformers computes of the model with the adapter in its weights.
    pub golden: &'static str,
    /// Holds the same without the rounding of merged weights to f16.
    pub exact: &'static str,
    /// Holds the scale that the golden is for.
    pub scale: f32,
}

macro_rules! adapted {
    ($name:literal, $scale:literal) => {
        Adapted {
            tiny: (
                $name,
                include_bytes!(concat!("../fixtures/models/", $name, ".gguf")),
                include_str!(concat!("../fixtures/models/", $name, ".json")),
            ),
            adapter: include_bytes!(concat!("../fixtures/models/", $name, "-lora.gguf")),
            golden: include_str!(concat!("../fixtures/models/", $name, "-lora.json")),
            exact: include_str!(concat!("../fixtures/models/", $name, "-lora-exact.json")),
            scale: $scale,
        }
    };
}

/// Lists the tiny models that have adapters. That of Qwen3 changes what is looked up.
pub const ADAPTED: &[Adapted] = &[
    adapted!("mistral-linear-tiny", 0.5),
    adapted!("qwen3-tiny", 1.0),
    adapted!("gemma2-tiny", -1.0),
    adapted!("phi3-tiny", 1.0),
];

/// Loads a model with these adapters, and two slots of 512 tokens.
pub fn load_with<B: Backend>(backend: B, file: &[u8], adapters: &[&[u8]]) -> Result<Model<B>> {
    let options = Options {
        context_tokens: Some(512),
        slots: Some(2),
        ..Options::default()
    };
    let mut loader = Loader::new(backend, options);
    loader.push(file)?;
    for adapter in adapters {
        loader.add_adapter(adapter)?;
    }
    Ok(loader.finish()?.model)
}

/// Asserts that a model computes with an adapter what transformers computes of the two merged, and
/// without it what it does where there is none; and that each conversation is found again with the
/// adapter that it was read with.
pub async fn check_adapter<B: Backend>(backend: B, plain: B, adapted: &Adapted, bar: f64) {
    let Adapted { tiny, scale, .. } = adapted;
    // The same adapter at another number changes nothing as long as it has no scale.
    let files = [adapted.adapter, adapted.adapter];
    let mut model = load_with(backend, tiny.1, &files).unwrap();
    let mut plain = load(plain, *tiny);
    let vocab = model.vocab_size() as u32;
    let tokens: Vec<u32> = (0..70).map(|i| (i * 7 + 3) % vocab).collect();
    let expected = teacher_forced(&mut plain, &tokens).await;
    let found = teacher_forced(&mut model, &tokens).await;
    assert_eq!(found, expected, "{}: no adapter is in use", tiny.0);

    model.use_adapters(&[0.0, *scale]).unwrap();
    assert_eq!(model.select_slot(&tokens), 0, "it was read without");
    check_model(&mut model, tiny.0, adapted.exact, bar).await;
    model.rewind(0);
    let adapted_logits = teacher_forced(&mut model, &tokens).await;
    assert_ne!(adapted_logits, expected);
    let state = model.export_slot().await.unwrap();
    assert_eq!(state.adapters, [0.0, *scale]);

    // Each finds its own again, and evaluates the last token to what it was.
    let last = tokens.len() - 1;
    let at_last = last * vocab as usize;
    let mut logits = Vec::new();
    for (scales, expected) in [
        (vec![], &expected),
        (vec![0.0, *scale], &adapted_logits),
        (vec![0.0], &expected),
    ] {
        model.use_adapters(&scales).unwrap();
        assert_eq!(model.select_slot(&tokens), last, "{scales:?}");
        model
            .forward(&tokens[last..], Some(&mut logits))
            .await
            .unwrap();
        near(&logits, &expected[at_last..], bar as f32);
    }
    // Both at once are as strong as one of twice the scale, and neither has been read so.
    model.use_adapters(&[scale / 2.0, scale / 2.0]).unwrap();
    assert_eq!(model.select_slot(&tokens), 0);
    assert!(!model.suits(&state));
    let both = teacher_forced(&mut model, &tokens).await;
    near(&both, &adapted_logits, bar as f32);

    // What was taken out comes back with its adapters.
    model.import_slot(&state).unwrap();
    assert_eq!(model.rewind(last), last);
    model
        .forward(&tokens[last..], Some(&mut logits))
        .await
        .unwrap();
    near(&logits, &adapted_logits[at_last..], bar as f32);
    assert!(plain.import_slot(&state).is_err(), "it has no adapters");
    for scales in [&[1.0; 3][..], &[f32::NAN], &[f32::INFINITY]] {
        assert!(model.use_adapters(scales).is_err(), "{scales:?}");
    }
}

/// Asserts that logits differ by at most `bar` of the largest one.
fn near(logits: &[f32], expected: &[f32], bar: f32) {
    assert_eq!(logits.len(), expected.len());
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    let off = logits.iter().zip(expected);
    let off = off.fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(off <= bar * largest, "off by {off} of {largest}");
}

/// Makes an adapter of a llama, of alpha 6.
pub fn adapter(tensors: Vec<Tensor>) -> ModelFile {
    ModelFile {
        metadata: Metadata::new(),
        tensors,
    }
    .with("general.architecture", "llama")
    .with("general.type", "adapter")
    .with("adapter.type", "lora")
    .with("adapter.lora.alpha", 6.0_f32)
}

/// Makes both halves of the change of the tensor `name`, of random numbers.
pub fn halves(name: &str, a: (DType, &[u64]), b: (DType, &[u64])) -> Vec<Tensor> {
    let mut random = Random::new(name.len() as u64);
    [("lora_a", a), ("lora_b", b)]
        .map(|(half, (dtype, dims))| {
            Tensor::random(&format!("{name}.{half}"), dtype, dims, &mut random)
        })
        .to_vec()
}
