//! Tests LoRA adapters, by `siskin merge`, run as a person runs it.

mod support;

use siskin::{
    backend::cpu::Cpu,
    format::metadata::{Metadata, Value},
    quant::DType,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use support::{
    adapted::{ADAPTED, Adapted, adapter, halves},
    model_file::{ModelFile, Tensor, WIDTH},
    random::Random,
    tiny::check,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/models")
        .join(name)
}

/// Makes a folder for one test alone.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("merge")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn merge(words: &[&Path], options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siskin"))
        .arg("merge")
        .args(words)
        .args(options)
        .output()
        .unwrap()
}

/// Merges two files, which must succeed, and returns what it says and the file that comes of it.
fn merge_well(model: &Path, adapter: &Path, out: &Path, scale: &str) -> (String, Vec<u8>) {
    let output = merge(&[model, adapter, out], &["--scale", scale]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let said = String::from_utf8(output.stdout).unwrap();
    (said, fs::read(out).unwrap())
}

/// Merges files, which must fail with `code` and leave nothing behind. Returns what is said.
fn refusal(words: &[&Path], options: &[&str], code: &str) -> String {
    let output = merge(words, options);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{code} was expected");
    assert!(said.trim_end().ends_with(&format!(". ({code})")), "{said}");
    assert!(!words.get(2).is_some_and(|out| out.exists()), "{said}");
    said
}

fn values(tensor: &Tensor) -> Vec<f32> {
    let mut values = vec![0.0; tensor.dims.iter().product::<u64>() as usize];
    tensor.dtype.dequantize(&tensor.data, &mut values);
    values
}

#[test]
fn merged_models_are_those_of_transformers() {
    let folder = folder("golden");
    for Adapted {
        tiny,
        golden,
        scale,
        ..
    } in ADAPTED
    {
        let (_, file) = merge_well(
            &fixture(&format!("{}.gguf", tiny.0)),
            &fixture(&format!("{}-lora.gguf", tiny.0)),
            &folder.join(tiny.0),
            &scale.to_string(),
        );
        let merged = (tiny.0, &*file.leak(), *golden);
        pollster::block_on(check(Cpu::default(), merged, 1e-3));
    }
}

#[test]
fn a_scale_of_zero_changes_nothing() {
    let folder = folder("zero");
    for Adapted {
        tiny: (name, ..), ..
    } in ADAPTED
    {
        let model = fixture(&format!("{name}.gguf"));
        let lora = fixture(&format!("{name}-lora.gguf"));
        let (_, file) = merge_well(&model, &lora, &folder.join(name), "0");
        let before = ModelFile::read(&fs::read(model).unwrap());
        let mut after = ModelFile::read(&file);
        assert_eq!(after.metadata, before.metadata);
        if *name == "qwen3-tiny" {
            // Its embeddings are its output matrix too, which an adapter for them leaves alone.
            let mut output = after.tensor("output.weight").clone();
            output.name = "token_embd.weight".into();
            assert_eq!(output.data, after.tensor("token_embd.weight").data);
            after = after.without("output.weight");
        }
        for (was, is) in before.tensors.iter().zip(&after.tensors) {
            assert_eq!((&is.name, &is.dims), (&was.name, &was.dims));
            assert_eq!((is.dtype, values(is)), (was.dtype, values(was)));
        }
        assert_eq!(after.tensors.len(), before.tensors.len());
    }
}

/// Returns the weights of `tensor` with `factor B A` added to them, in f64.
fn with_change(tensor: &Tensor, a: &Tensor, b: &Tensor, factor: f64) -> Vec<f64> {
    let (w, a_values, b_values) = (values(tensor), values(a), values(b));
    let cols = tensor.dims[0] as usize;
    let is_embedding = tensor.name == "token_embd.weight";
    let rank = if is_embedding { a.dims[0] } else { b.dims[0] } as usize;
    let product = |row: usize, col: usize, k: usize| match is_embedding {
        true => f64::from(a_values[row * rank + k]) * f64::from(b_values[col * rank + k]),
        false => f64::from(b_values[row * rank + k]) * f64::from(a_values[k * cols + col]),
    };
    let sum = |i: usize| -> f64 { (0..rank).map(|k| product(i / cols, i % cols, k)).sum() };
    (0..w.len())
        .map(|i| f64::from(w[i]) + factor * sum(i))
        .collect()
}

#[test]
fn tensors_of_every_type_change() {
    use DType::{BF16, F16, F32, Q4_0, Q8_0};
    let mut random = Random::new(3);
    let mut tensor =
        |name: &str, dtype, dims: &[u64]| Tensor::random(name, dtype, dims, &mut random);
    let model = ModelFile {
        metadata: Metadata::new(),
        tensors: vec![
            tensor("token_embd.weight", Q8_0, &[64, 40]),
            tensor("output_norm.weight", F32, &[64]),
            tensor("blk.0.attn_q.weight", F16, &[64, 48]),
            tensor("blk.0.attn_k.weight", BF16, &[64, 24]),
            // More weights than are in memory at a time, of which a row is no power of two.
            tensor("blk.0.attn_v.weight", F32, &[96, 12_000]),
            tensor("blk.0.ffn_up.weight", Q4_0, &[64, 33]),
            tensor("blk.0.ffn_down.weight", Q4_0, &[64, 33]),
            tensor("output.weight", F16, &[64, 40]),
        ],
    }
    .with("general.architecture", "llama")
    .with("general.alignment", 128_u32);
    let changes = [
        // Looked up and not multiplied: both halves are laid out otherwise.
        halves("token_embd.weight", (F32, &[3, 40]), (F16, &[3, 64])),
        // The file's tool left out a dimension of 1.
        halves("blk.0.attn_q.weight", (F16, &[64]), (F32, &[1, 48])),
        halves("blk.0.attn_k.weight", (Q8_0, &[64, 2]), (BF16, &[2, 24])),
        halves("blk.0.attn_v.weight", (F32, &[96, 2]), (F32, &[2, 12_000])),
        halves("blk.0.ffn_up.weight", (F32, &[64, 5]), (F32, &[5, 33])),
    ];
    let folder = folder("types");
    let [from, lora, out] = ["model", "lora", "out"].map(|name| folder.join(name));
    fs::write(&from, model.to_bytes()).unwrap();
    for (alpha, scale) in [(Some(6.0), 0.5), (Some(0.0), -2.0), (None, 1.0)] {
        let mut file = adapter(changes.concat());
        match alpha {
            Some(alpha) => file = file.with("adapter.lora.alpha", alpha as f32),
            // Metadata has no way to remove a key.
            None => {
                let kept = ["general.architecture", "general.type", "adapter.type"];
                let values = kept.map(|key| (key, file.metadata.get(key).unwrap().clone()));
                file.metadata = Metadata::new();
                for (key, value) in values {
                    file.metadata.insert(key, value);
                }
            }
        }
        fs::write(&lora, file.to_bytes()).unwrap();
        let (said, merged) = merge_well(&from, &lora, &out, &scale.to_string());
        assert_eq!(said, "5 of 8 tensors changed, 2 of them F16 now\n");
        let merged = ModelFile::read(&merged);
        assert_eq!(merged.metadata, model.metadata);
        assert_eq!(merged.tensors.len(), model.tensors.len());
        for (was, is) in model.tensors.iter().zip(&merged.tensors) {
            assert_eq!((&is.name, &is.dims), (&was.name, &was.dims));
            let half = |end: &str| {
                let name = format!("{}.{end}", was.name);
                file.tensors.iter().find(|tensor| tensor.name == name)
            };
            let (Some(a), Some(b)) = (half("lora_a"), half("lora_b")) else {
                assert_eq!((is.dtype, &is.data), (was.dtype, &was.data), "{}", was.name);
                continue;
            };
            let rank = match was.name.as_str() {
                "token_embd.weight" => a.dims[0],
                _ => b.dims[0],
            };
            let factor = match alpha {
                Some(alpha) if alpha != 0.0 => scale * alpha / rank as f64,
                _ => scale,
            };
            let (dtype, precision) = match was.dtype {
                F32 => (F32, 1e-6),
                BF16 => (BF16, 1.0 / 256.0),
                _ => (F16, 1.0 / 2048.0),
            };
            assert_eq!(is.dtype, dtype, "{}", was.name);
            let expected = with_change(was, a, b, factor);
            for (found, expected) in values(is).into_iter().zip(expected) {
                let off = (f64::from(found) - expected).abs();
                assert!(
                    off <= precision * expected.abs() + 1e-6,
                    "{}: {found} where {expected} was expected",
                    was.name
                );
            }
        }
    }
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    use DType::{F16, F32};
    const Q: &str = "blk.0.attn_q.weight";
    let folder = folder("refused");
    let [model, lora, out] = ["model", "lora", "out"].map(|name| folder.join(name));
    fs::write(&model, ModelFile::small(F16).to_bytes()).unwrap();
    let good = || halves(Q, (F32, &[WIDTH, 2]), (F32, &[2, WIDTH]));
    let with = |key: &str, value: Value| adapter(good()).with(key, value);
    let of = |name: &str, a: &[u64], b: &[u64]| adapter(halves(name, (F32, a), (F32, b)));
    let other = |name: &str| {
        let mut file = adapter(good());
        file.tensors[0].name = name.to_owned();
        file
    };
    let mut infinite = adapter(good());
    infinite.tensors[1].data[4..8].copy_from_slice(&f32::INFINITY.to_le_bytes());

    for (file, code, says) in [
        (
            with("general.type", "model".into()),
            "invalid_argument",
            "`general.type` should be",
        ),
        (
            with("adapter.type", "control".into()),
            "invalid_argument",
            "but is `control`",
        ),
        (ModelFile::small(F16), "invalid_argument", "but is missing"),
        (
            with("general.architecture", "qwen2".into()),
            "invalid_argument",
            "`qwen2`",
        ),
        (
            with("general.architecture", 3_u32.into()),
            "metadata",
            "general.architecture",
        ),
        (
            with("general.type", 3_u32.into()),
            "metadata",
            "general.type",
        ),
        (
            with("adapter.lora.alpha", f32::NAN.into()),
            "metadata",
            "adapter.lora.alpha",
        ),
        (
            with("adapter.lora.alpha", "16".into()),
            "metadata",
            "adapter.lora.alpha",
        ),
        (
            with("adapter.alora.invocation_tokens", vec![1_i32].into()),
            "architecture",
            "adapter.alora.invocation_tokens",
        ),
        (adapter(vec![]), "tensor_missing", "has no tensors"),
        (
            adapter(good()).without(&format!("{Q}.lora_a")),
            "tensor_missing",
            "only one",
        ),
        (
            adapter(good()).without(&format!("{Q}.lora_b")),
            "tensor_missing",
            "only one",
        ),
        (
            other("blk.0.attn_norm.weight"),
            "architecture",
            "`blk.0.attn_norm.weight`",
        ),
        (other(&format!("{Q}.lora_c")), "architecture", "lora_c"),
        (
            of("blk.7.attn_q.weight", &[WIDTH, 2], &[2, WIDTH]),
            "tensor_missing",
            "`blk.7.",
        ),
        (
            of("blk.0.attn_norm.weight", &[WIDTH, 2], &[2, 1]),
            "tensor_shape",
            "attn_norm",
        ),
        (
            of(Q, &[WIDTH - 1, 2], &[2, WIDTH]),
            "tensor_shape",
            "[255, 2]",
        ),
        (
            of(Q, &[WIDTH, 2], &[2, WIDTH - 1]),
            "tensor_shape",
            "[2, 255]",
        ),
        (of(Q, &[WIDTH, 3], &[2, WIDTH]), "tensor_shape", "[256, 3]"),
        (of(Q, &[2, WIDTH], &[2, WIDTH]), "tensor_shape", "[2, 256]"),
        (
            of(Q, &[WIDTH, 1, 2], &[2, WIDTH]),
            "tensor_shape",
            "[256, 1, 2]",
        ),
        (
            of(Q, &[WIDTH, 300], &[300, WIDTH]),
            "tensor_shape",
            "[256, 300]",
        ),
        (
            of("token_embd.weight", &[WIDTH, 2], &[2, 258]),
            "tensor_shape",
            "token_embd",
        ),
        (infinite, "tensor_not_finite", "lora_b"),
    ] {
        fs::write(&lora, file.to_bytes()).unwrap();
        let said = refusal(&[&model, &lora, &out], &[], code);
        assert!(said.contains(says), "{said} lacks {says}");
    }

    let whole = adapter(good()).to_bytes();
    fs::write(&lora, &whole[..whole.len() - 100]).unwrap();
    refusal(&[&model, &lora, &out], &[], "gguf_truncated");
    fs::write(&lora, b"PK\x03\x04 no model").unwrap();
    refusal(&[&model, &lora, &out], &[], "not_gguf");
    fs::write(&lora, &whole).unwrap();
    refusal(&[&lora, &lora, &out], &[], "tensor_missing");
    let absent = folder.join("absent");
    refusal(&[&absent, &lora, &out], &[], "io");
    refusal(&[&model, &absent, &out], &[], "io");
    refusal(&[&model, &lora, &absent.join("out")], &[], "io");
    refusal(&[&model, &lora], &[], "invalid_argument");
    let scale = |scale, code| refusal(&[&model, &lora, &out], &["--scale", scale], code);
    scale("much", "invalid_argument");
    scale("inf", "invalid_argument");
    assert!(scale("1e7", "tensor_not_finite").contains("smaller --scale"));
    let split = fixture("../split/chat-tiny-00001-of-00003.gguf");
    assert!(refusal(&[&split, &lora, &out], &[], "gguf_split").contains("file 1 of 3"));
}
