//! Tiny models with LoRA adapters, which `tests/fixtures/models/make_lora.py` makes.

use super::{
    golden::teacher_forced,
    loading::header,
    model_file::{ModelFile, Tensor},
    random::Random,
    tiny::{LFM2, QWEN35, Tiny, check_model, load},
};
use siskin::{
    Result,
    backend::Backend,
    format::{lora::Adapter, metadata::Metadata},
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
        loader.add_adapter(adapter, 0.0)?;
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

/// Names models whose layers are of several kinds, and matrices of each of these.
pub const MIXED: [(&Tiny, &[&str]); 2] = [
    (
        &QWEN35,
        &[
            "blk.0.attn_qkv.weight",
            "blk.0.attn_gate.weight",
            "blk.0.ssm_alpha.weight",
            "blk.0.ssm_beta.weight",
            "blk.0.ssm_out.weight",
            "blk.1.attn_q.weight",
            "blk.1.attn_output.weight",
            "blk.1.ffn_up.weight",
        ],
    ),
    (
        &LFM2,
        &[
            "blk.0.shortconv.in_proj.weight",
            "blk.0.shortconv.out_proj.weight",
            "blk.0.ffn_gate.weight",
        ],
    ),
];

/// Asserts that a model computes with an adapter of random numbers what it computes with their
/// product in its weights, and something else without.
pub async fn check_merged<B: Backend>(
    backend: B,
    merged: B,
    (name, file, _): &Tiny,
    changed: &[&str],
    bar: f32,
) {
    let mut base = ModelFile::read(file);
    let mut tensors = Vec::new();
    for name in changed {
        let tensor = base.tensor(name);
        // Rounding of the merged weights is none of the adapter.
        let mut values = vec![0.0; tensor.dims.iter().product::<u64>() as usize];
        tensor.dtype.dequantize(&tensor.data, &mut values);
        tensor.dtype = DType::F32;
        tensor.data = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let (cols, rows) = (tensor.dims[0], tensor.dims[1]);
        tensors.extend(halves(
            name,
            (DType::F32, &[cols, 3]),
            (DType::F32, &[3, rows]),
        ));
    }
    let architecture = base
        .metadata
        .str("general.architecture")
        .unwrap()
        .to_owned();
    let adapter = adapter(tensors).with("general.architecture", &*architecture);
    let (file, adapter) = (base.to_bytes(), adapter.to_bytes());
    let [of_base, of_adapter] = [&file, &adapter].map(|file| header(file));
    let change = Adapter::new(
        &of_adapter,
        of_base.metadata.str("general.architecture").unwrap(),
        &of_base.tensors,
    )
    .unwrap();
    for name in changed {
        let delta = change.change(name).unwrap().read(SCALE, |half| {
            Ok(adapter[half.offset as usize..][..half.size_bytes as usize].to_vec())
        });
        let tensor = base.tensor(name);
        let mut values = vec![0.0; tensor.data.len() / 4];
        DType::F32.dequantize(&tensor.data, &mut values);
        delta.unwrap().add_to(0, &mut values);
        tensor.data = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    }
    let mut merged = load_with(merged, &base.to_bytes(), &[]).unwrap();
    let mut model = load_with(backend, &file, &[&adapter]).unwrap();
    let tokens: Vec<u32> = (0..70)
        .map(|i| (i * 7 + 3) % model.vocab_size() as u32)
        .collect();
    let plain = teacher_forced(&mut model, &tokens).await;
    let expected = teacher_forced(&mut merged, &tokens).await;
    model.use_adapters(&[SCALE]).unwrap();
    assert_eq!(model.select_slot(&tokens), 0, "{name}: it was read without");
    let found = teacher_forced(&mut model, &tokens).await;
    println!("{name}: {} with the adapter", off(&found, &expected));
    near(&found, &expected, bar);
    assert!(
        off(&plain, &expected) > 5.0 * bar,
        "{name}: it changes little"
    );

    // One token after the other takes another way than many, and finds its conversation again.
    let (most, last) = (tokens.len() - 3, model.vocab_size());
    for scales in [&[][..], &[SCALE]] {
        model.use_adapters(scales).unwrap();
        let mut at = model.select_slot(&tokens[..most + 1]);
        assert!(at > 0, "{name}: {scales:?}");
        let mut logits = Vec::new();
        while at < tokens.len() {
            model
                .forward(&tokens[at..at + 1], Some(&mut logits))
                .await
                .unwrap();
            at += 1;
        }
        let expected = if scales.is_empty() { &plain } else { &expected };
        near(&logits, &expected[expected.len() - last..], bar);
    }
}

/// Is what `check_merged` multiplies changes by.
const SCALE: f32 = 0.75;

/// Returns by how much logits are off, beside the largest one.
fn off(logits: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(logits.len(), expected.len());
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    let pairs = logits.iter().zip(expected);
    pairs.fold(0f32, |m, (a, b)| m.max((a - b).abs())) / largest
}

/// Asserts that logits differ by at most `bar` of the largest one.
fn near(logits: &[f32], expected: &[f32], bar: f32) {
    let off = off(logits, expected);
    assert!(off <= bar, "off by {off} of the largest");
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
