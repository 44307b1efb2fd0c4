//! Tests models that llama.cpp's gguf-split has split into several files.

mod support;

use siskin::{Code, backend::cpu::Cpu, loader::Loader, quant::DType};
use support::{
    loading::{load, load_with, logits, refused},
    model_file::ModelFile,
    odd_formats::nvfp4_with_factors,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Returns a model whose embeddings come first, as in most files.
fn model() -> ModelFile {
    let mut file = ModelFile::small(DType::Q8_0);
    file.tensors.reverse();
    file
}

#[test]
fn a_split_model_in_pieces_of_any_size_is_the_whole_one() {
    let whole = load(&model().to_bytes()).expect("a model");
    let (parameter_count, file_type) = (whole.file.parameter_count, whole.file.file_type);
    let expected = logits(whole);
    // With --no-tensor-first-split the first file holds the metadata only.
    for counts in [&[4, 5, 4][..], &[1, 11, 1], &[0, 13], &[0, 7, 6], &[13]] {
        let bytes = model().split(counts).concat();
        for chunk_bytes in [1, 7, 4096, bytes.len()] {
            let loaded = load_with(&bytes, chunk_bytes, Default::default()).expect("a model");
            assert_eq!(loaded.file.parameter_count, parameter_count);
            assert_eq!(loaded.file.file_type, file_type);
            assert_eq!(loaded.file.size_bytes, bytes.len() as u64);
            assert_eq!(
                logits(loaded),
                expected,
                "{counts:?} by {chunk_bytes} bytes"
            );
        }
    }
}

#[test]
fn what_the_gguf_package_has_split_is_the_whole_model() {
    let whole = include_bytes!("fixtures/models/chat-tiny.gguf");
    let files: [&[u8]; 3] = [
        include_bytes!("fixtures/split/chat-tiny-00001-of-00003.gguf"),
        include_bytes!("fixtures/split/chat-tiny-00002-of-00003.gguf"),
        include_bytes!("fixtures/split/chat-tiny-00003-of-00003.gguf"),
    ];
    let logits = |bytes: &[u8]| {
        let (mut model, mut logits) = (load(bytes).expect("a model").model, Vec::new());
        pollster::block_on(model.forward(&[1, 7, 200], Some(&mut logits))).expect("logits");
        logits
    };
    let expected = logits(whole);
    assert!(expected.iter().any(|x| x.abs() > 0.01));
    assert_eq!(logits(&files.concat()), expected);
}

/// The factor beside a matrix of NVFP4 may be in another file, before it or behind.
#[test]
fn a_model_is_split_between_a_matrix_and_its_factor() {
    let mut file = nvfp4_with_factors();
    let whole = logits(load(&file.to_bytes()).expect("a model"));
    file.tensors
        .sort_by_key(|tensor| tensor.name != "token_embd.weight");
    let count = file.tensors.len();
    let halves = [count / 2, count - count / 2];
    for counts in [&halves[..], &vec![1; count]] {
        let loaded = load(&file.split(counts).concat()).expect("a model");
        assert_eq!(logits(loaded), whole, "{counts:?}");
    }
    // Beside other matrices there is none.
    let other = file.tensor("blk.0.attn_q.weight");
    let mut values = vec![0.0; other.dims.iter().product::<u64>() as usize];
    other.dtype.dequantize(&other.data, &mut values);
    other.dtype = DType::F32;
    other.data = values.iter().flat_map(|it| it.to_le_bytes()).collect();
    for counts in [&halves[..], &[count]] {
        let bytes = file.split(counts).concat();
        refused(&bytes, Code::Architecture, "blk.0.attn_q.");
    }
}

#[test]
fn files_that_are_missing_or_not_in_order_are_refused() {
    let files = model().split(&[4, 5, 4]);
    let [first, second, third] = &files[..] else {
        panic!("three files");
    };
    let cases = [
        (vec![second], "file 2 of a model that is split into 3"),
        (vec![first], "Only 1 of the model's 3 files"),
        (vec![first, second], "Only 2 of the model's 3 files"),
        (vec![first, third, second], "File 3 of 3 came where file 2"),
        (vec![first, first], "File 1 of 3 came where file 2"),
        (vec![first, second, second], "File 2 of 3 came where file 3"),
    ];
    for (files, says) in cases {
        let bytes: Vec<u8> = files.into_iter().flatten().copied().collect();
        refused(&bytes, Code::GgufSplit, says);
    }
    // What comes behind the last file is not looked at, as with a whole model.
    let more = [&files.concat()[..], b"more"].concat();
    load(&more).expect("a model");
}

#[test]
fn files_of_other_models_are_refused() {
    let first = model().split(&[4, 5, 4])[0].clone();
    let behind = |next: &[u8], says| refused(&[&first[..], next].concat(), Code::GgufSplit, says);
    behind(&model().split(&[5, 8])[1], "is of another model");
    behind(&model().to_bytes(), "is of another model");
    behind(b"no model", "Behind file 1 of 3 comes what is no GGUF");
    behind(&model().split(&[3, 6, 4])[1], "has the tensor");
    let small = model().without("rope_freqs.weight");
    behind(&small.split(&[4, 4, 4])[1], "is of another model");

    // One of three files lacks a tensor, and the others say how many there are.
    let mut second = model();
    second.tensors.drain(8..9);
    second.tensors.push(second.tensors[0].clone());
    let mut third = second.split(&[4, 4, 5])[2].clone();
    let files = second.split(&[4, 4, 5]);
    refused(
        &[&first[..], &files[1], &third].concat(),
        Code::GgufSplit,
        "has the tensor",
    );
    third = model().without("rope_freqs.weight").split(&[4, 5, 3])[2].clone();
    let at = third
        .windows(19)
        .position(|key| key == b"split.tensors.count");
    third[at.expect("the key") + 19 + 4] = 13;
    refused(
        &[&first[..], &model().split(&[4, 5, 4])[1], &third].concat(),
        Code::GgufSplit,
        "3 files have 12 tensors of 13",
    );
}

#[test]
fn each_file_is_read_to_its_end() {
    let files = model().split(&[4, 5, 4]);
    let all = files.concat();
    let second_begins = files[0].len();
    refused(&all[..second_begins + 30], Code::GgufTruncated, "header");
    refused(&all[..all.len() - 500], Code::GgufTruncated, "ended after");
    refused(&all[..second_begins - 500], Code::GgufSplit, "Only 1 of");
}

#[test]
fn a_model_whose_embeddings_come_late_is_refused_and_numbers_that_make_no_sense() {
    let late = ModelFile::small(DType::Q8_0).split(&[4, 5, 4]).concat();
    refused(&late, Code::GgufSplit, "not `token_embd.weight`");
    let beyond = model().with("split.no", 3_u16).with("split.count", 3_u16);
    refused(&beyond.to_bytes(), Code::GgufMalformed, "`split.no` is 3");
    let text = model().with("split.count", "three");
    refused(&text.to_bytes(), Code::GgufMalformed, "`split.count`");
}

#[test]
fn the_plan_of_a_split_model_is_near_the_whole_ones() {
    let plan = |bytes: &[u8]| {
        let mut loader = Loader::new(Cpu::default(), Default::default());
        loader.push(bytes).expect("a model's beginning");
        loader.plan().expect("a header")
    };
    let whole = plan(&model().to_bytes());
    let files = model().split(&[4, 5, 4]);
    let first = plan(&files[0]);
    let near = |a: u64, b: u64| assert!(a.abs_diff(b) < b / 20, "{a} and {b}");
    near(first.file.parameter_count, whole.file.parameter_count);
    near(first.memory.weights_bytes, whole.memory.weights_bytes);
    assert_eq!(first.memory.cache_bytes, whole.memory.cache_bytes);
    let all = plan(&files.concat());
    assert_eq!(all.memory, whole.memory);
    assert_eq!(all.file.parameter_count, whole.file.parameter_count);
}
