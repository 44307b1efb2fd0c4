//! Tests models that LoRA adapters change as they compute.

mod support;

use siskin::{
    Code,
    backend::cpu::{Cpu, pool::Pool},
    loader::{Loader, Options},
    model::Model,
    quant::DType,
};
use std::{ffi::OsStr, fs, path::Path, process::Command};
use support::{
    adapted::{ADAPTED, MIXED, adapter, check_adapter, check_merged, halves, load_with},
    golden::teacher_forced,
    loading::header,
    model_file::{ModelFile, WIDTH},
    tiny::{ENCODERS, MODELS},
};

#[test]
fn adapters_compute_what_transformers_does_of_merged_models() {
    for adapted in ADAPTED {
        let check = check_adapter(Cpu::default(), Cpu::default(), adapted, 1e-3);
        pollster::block_on(check);
    }
}

#[test]
fn threads_share_the_work() {
    let check = |pool| check_adapter(Cpu::new(pool), Cpu::default(), &ADAPTED[0], 1e-3);
    pollster::block_on(check(Pool::new(3)));
}

#[test]
fn adapters_may_come_before_the_model() {
    let (file, adapter) = (ADAPTED[0].tiny.1, ADAPTED[0].adapter);
    let tokens = [1, 9, 4, 7, 3];
    let logits = |mut model: Model<Cpu>| {
        model.use_adapters(&[0.5]).unwrap();
        pollster::block_on(teacher_forced(&mut model, &tokens))
    };
    let mut loader = Loader::new(Cpu::default(), Options::default());
    loader.add_adapter(adapter).unwrap();
    file.chunks(10_000).for_each(|it| loader.push(it).unwrap());
    let before = logits(loader.finish().unwrap().model);
    let after = load_with(Cpu::default(), file, &[adapter]).unwrap();
    assert_eq!(before, logits(after));

    // One of another model is told by the header, before a weight is fetched.
    let mut loader = Loader::new(Cpu::default(), Options::default());
    loader.add_adapter(ADAPTED[1].adapter).unwrap();
    let data_at = header(file).tensors[0].offset as usize;
    let error = loader.push(&file[..data_at]).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert_eq!(loader.finish().err(), Some(error));
}

#[test]
fn layers_of_every_kind_are_changed() {
    for (tiny, names) in MIXED {
        pollster::block_on(check_merged(
            Cpu::default(),
            Cpu::default(),
            tiny,
            names,
            1e-3,
        ));
    }
}

#[test]
fn encoders_take_none() {
    for (_, file, _) in ENCODERS {
        let base = ModelFile::read(file);
        let architecture = base.metadata.str("general.architecture").unwrap();
        let query = halves("q", (DType::F32, &[64, 1]), (DType::F32, &[1, 64]));
        let adapter = adapter(query).with("general.architecture", architecture);
        let mut loader = Loader::new(Cpu::default(), Options::default());
        loader.add_adapter(&adapter.to_bytes()).unwrap();
        let error = loader.push(file).unwrap_err();
        assert_eq!(error.code, Code::Architecture);
        assert!(error.message.contains("encoder"), "{}", error.message);
    }
}

#[test]
fn what_cannot_be_added_is_refused() {
    let adapted = &ADAPTED[0];
    let add = |file: &[u8], pushed: usize| {
        let mut loader = Loader::new(Cpu::default(), Options::default());
        loader.push(&adapted.tiny.1[..pushed]).unwrap();
        let error = loader.add_adapter(file).unwrap_err();
        assert_eq!(loader.finish().err(), Some(error.clone()));
        error.code
    };
    let all = adapted.tiny.1.len();
    let file = adapted.adapter;
    assert_eq!(add(file, 10), Code::GgufTruncated);
    assert_eq!(add(file, all - 1000), Code::GgufTruncated);
    assert_eq!(add(&file[..file.len() - 100], all), Code::GgufTruncated);
    assert_eq!(add(&file[..100], all), Code::GgufTruncated);
    assert_eq!(add(b"PK\x03\x04 no model", all), Code::NotGguf);
    assert_eq!(add(adapted.tiny.1, all), Code::InvalidArgument);
    assert_eq!(add(ADAPTED[1].adapter, all), Code::InvalidArgument);

    // A convolution is no factor of a product.
    let (_, lfm2, _) = MODELS.iter().find(|tiny| tiny.0 == "lfm2-tiny").unwrap();
    let conv = "blk.0.shortconv.conv.weight";
    let dims = ModelFile::read(lfm2).tensor(conv).dims.clone();
    let parts = halves(
        conv,
        (DType::F32, &[dims[0], 1]),
        (DType::F32, &[1, dims[1]]),
    );
    let file = adapter(parts).with("general.architecture", "lfm2");
    let error = load_with(Cpu::default(), lfm2, &[&file.to_bytes()]).err();
    assert_eq!(error.map(|error| error.code), Some(Code::Architecture));
}

/// Returns the perplexity that `siskin eval` finds.
fn perplexity(model: &Path, more: &[&OsStr]) -> f64 {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real/gpl3.txt");
    let output = Command::new(env!("CARGO_BIN_EXE_siskin"))
        .arg("eval")
        .args([model, &text])
        .args(["--tokens", "60"])
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let said = String::from_utf8(output.stdout).unwrap();
    said.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_command_line_changes_a_model_as_merging_does() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [model, lora, merged] =
        ["model", "lora", "merged"].map(|it| folder.join(format!("adapters-{it}")));
    fs::write(&model, ModelFile::small(DType::F32).to_bytes()).unwrap();
    let q = "blk.0.attn_q.weight";
    let ffn = "blk.0.ffn_up.weight";
    let change = |name| halves(name, (DType::F16, &[WIDTH, 4]), (DType::F16, &[4, WIDTH]));
    let file = adapter([change(q), change(ffn)].concat());
    fs::write(&lora, file.to_bytes()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_siskin"))
        .arg("merge")
        .args([&model, &lora, &merged])
        .args(["--scale", "2"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let changed = perplexity(&merged, &[]);
    let adapter = [OsStr::new("--adapter"), lora.as_os_str()];
    let scale = [OsStr::new("--scale"), OsStr::new("2")];
    let found = perplexity(&model, &[adapter, scale].concat());
    assert!(
        (found / changed - 1.0).abs() < 1e-3,
        "{found} and {changed}"
    );
    for plain in [perplexity(&model, &[]), perplexity(&model, &adapter)] {
        assert!(
            (plain / changed - 1.0).abs() > 5e-3,
            "{plain} and {changed}"
        );
    }
}
