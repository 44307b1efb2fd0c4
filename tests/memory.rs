//! Tests what is said of a model's memory before its weights come, against what is allocated.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use siskin::{
    Code,
    backend::cpu::Cpu,
    loader::{Loader, MemoryEstimate, Options},
    quant::DType,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicI64, Ordering::SeqCst},
};
use support::{
    adapted::ADAPTED,
    loading::header,
    model_file::ModelFile,
    sentence::assert_sentence,
    tiny::{EMBEDDING_GEMMA, MODELS, QWEN35, with_metadata},
};

/// Counts the bytes that are allocated.
struct Counting;

static ALLOCATED: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, SeqCst);
        // SAFETY: the caller keeps the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as i64, SeqCst);
        // SAFETY: the caller keeps the contract of this function.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONTEXT_TOKENS: usize = 700;

/// Names, tables and structs take less. The smallest of the three sums is ten times as large.
const SLACK_BYTES: i64 = 20_000;
/// So do the name and the structs of a tensor, in a table that is half empty: a model of many small
/// tensors has more of that.
const TENSOR_BYTES: i64 = 300;

/// Makes a model whose matrices are zeros of `dtype`.
fn model(dtype: DType) -> ModelFile {
    let mut file = ModelFile::small(DType::Q8_0).with("llama.context_length", 4096_u32);
    for tensor in &mut file.tensors {
        if tensor.dtype == DType::Q8_0 {
            let size_bytes = dtype.size_bytes(tensor.dims.iter().product());
            tensor.dtype = dtype;
            tensor.data = vec![0; size_bytes.expect("whole blocks") as usize];
        }
    }
    file
}

// One test, for what others allocate meanwhile would be counted.
#[test]
fn memory_is_known_from_the_header() {
    for &dtype in DType::ALL {
        for slots in [1, 3] {
            let bytes = model(dtype).to_bytes();
            let estimate = check(&bytes, slots, &format!("{dtype:?}"));
            assert!(estimate.step_bytes > 10 * SLACK_BYTES as u64);
        }
    }
    // Two of its three layers have convolutions, whose inputs are cached.
    let lfm2 = ModelFile::read(include_bytes!("fixtures/models/lfm2-tiny.gguf"));
    let lfm2 = lfm2.with("lfm2.context_length", 4096_u32).to_bytes();
    let estimate = check(&lfm2, 2, "lfm2");
    assert!(estimate.cache_bytes > 2 * 2 * 700 * 64 * 2);
    // Two of its three layers have states: 4 of each slot, of 3 inputs and 4 heads of 16 x 16.
    let qwen35 = ModelFile::read(QWEN35.1);
    let qwen35 = qwen35.with("qwen35.context_length", 4096_u32).to_bytes();
    let estimate = check(&qwen35, 2, "qwen35");
    assert!(estimate.cache_bytes > 2 * 2 * 4 * (3 * 128 + 4 * 256) * 4);
    adapters_are_counted();
    // The host keeps a table as it is in the file, and of five layers three have keys and values.
    let gemma4 = ModelFile::read(include_bytes!("fixtures/models/gemma4-tiny.gguf"));
    let gemma4 = gemma4.with("gemma4.context_length", 4096_u32).to_bytes();
    let estimate = check(&gemma4, 2, "gemma4");
    assert!(estimate.weights_bytes > 256 * 5 * 32 * 2);
    layers_with_a_window_take_memory_for_it();
    an_encoder_takes_memory_for_a_whole_text();
    a_context_that_is_far_too_long_is_refused_by_the_header();
}

/// Checks what a file is estimated to take, and returns it.
fn check(bytes: &[u8], slots: usize, name: &str) -> MemoryEstimate {
    let gguf = header(bytes);
    let data_at = gguf.tensors[0].offset as usize;
    let options = Options {
        context_tokens: Some(CONTEXT_TOKENS),
        slots: Some(slots),
        ..Options::default()
    };
    let mut loader = Loader::new(Cpu::default(), options);
    loader.push(&bytes[..data_at]).expect("a header");
    let (backend, config, tensors) = loader.header().expect("the whole header");
    let estimate = MemoryEstimate::new(backend, config, tensors, CONTEXT_TOKENS, slots);
    let before = ALLOCATED.load(SeqCst);
    loader.push(&bytes[data_at..]).expect("the weights");
    let weights_bytes = ALLOCATED.load(SeqCst) - before;
    let loaded = loader.finish().expect("a model");
    let all_bytes = ALLOCATED.load(SeqCst) - before;
    for (what, estimated, allocated) in [
        ("weights", estimate.weights_bytes, weights_bytes),
        ("all", estimate.total_bytes(), all_bytes),
    ] {
        let slack_bytes = SLACK_BYTES.max(TENSOR_BYTES * gguf.tensors.len() as i64);
        assert!(
            (estimated as i64 - allocated).abs() < slack_bytes,
            "{name}, {slots} slots, {what}: {estimated} estimated, {allocated} allocated"
        );
    }
    assert_eq!(
        loaded.model.kv_cache_bytes() as u64,
        estimate.cache_bytes,
        "{name}"
    );
    estimate
}

/// An adapter that comes before its model is part of what the header is estimated to take.
fn adapters_are_counted() {
    for adapted in ADAPTED {
        let (file, adapter) = (adapted.tiny.1, adapted.adapter);
        let mut estimates = Vec::new();
        let mut allocated = Vec::new();
        for adapters in [0, 3] {
            let mut loader = Loader::new(Cpu::default(), Options::default());
            for _ in 0..adapters {
                loader.add_adapter(adapter, 0.0).expect("an adapter");
            }
            let data_at = header(file).tensors[0].offset as usize;
            loader.push(&file[..data_at]).expect("a header");
            let before = ALLOCATED.load(SeqCst);
            estimates.push(loader.plan().expect("the whole header").memory);
            loader.push(&file[data_at..]).expect("the weights");
            let _loaded = loader.finish().expect("a model");
            // Their files are given back.
            let files_bytes = (adapters * adapter.len()) as i64;
            allocated.push(ALLOCATED.load(SeqCst) - before + files_bytes);
        }
        let estimated = (estimates[1].total_bytes() - estimates[0].total_bytes()) as i64;
        assert_eq!(estimated as u64, estimates[1].adapters_bytes);
        let off = estimated - (allocated[1] - allocated[0]);
        assert!(estimated > SLACK_BYTES, "{estimated}");
        assert!(
            off.abs() < SLACK_BYTES,
            "{}: {off} of {estimated}",
            adapted.tiny.0
        );
    }
}

/// The tiny Gemma 3 with the windows of the real one.
fn layers_with_a_window_take_memory_for_it() {
    const WINDOW: usize = 512;
    // A step has 64 tokens, and 192 may be taken back.
    const ROOM: usize = WINDOW + 64 + 192;
    // Of one head of 64, two bytes each.
    const POSITION_BYTES: usize = 2 * 64 * 2;
    let gemma3 = MODELS.iter().find(|tiny| tiny.0 == "gemma3-tiny");
    let &(_, file, _) = gemma3.expect("a tiny model");
    let bytes = with_metadata(file, |metadata| {
        metadata.insert("gemma3.context_length", 8192_u32);
        metadata.insert("gemma3.attention.sliding_window", WINDOW as u32);
    });
    for (context_tokens, cache_bytes) in [
        (512, 3 * 512 * POSITION_BYTES),
        (4096, (4096 + 2 * ROOM) * POSITION_BYTES),
        (8192, (8192 + 2 * ROOM) * POSITION_BYTES),
    ] {
        let options = Options {
            context_tokens: Some(context_tokens),
            ..Options::default()
        };
        let mut loader = Loader::new(Cpu::default(), options);
        let data_at = header(&bytes).tensors[0].offset as usize;
        loader.push(&bytes[..data_at]).expect("a header");
        let (backend, config, tensors) = loader.header().expect("the whole header");
        let estimate = MemoryEstimate::new(backend, config, tensors, context_tokens, 1);
        let before = ALLOCATED.load(SeqCst);
        loader.push(&bytes[data_at..]).expect("the weights");
        let loaded = loader.finish().expect("a model");
        let all_bytes = ALLOCATED.load(SeqCst) - before;
        assert_eq!(estimate.cache_bytes, cache_bytes as u64);
        assert_eq!(loaded.model.kv_cache_bytes(), cache_bytes);
        let estimated = estimate.total_bytes() as i64;
        assert!(
            (estimated - all_bytes).abs() < SLACK_BYTES,
            "{context_tokens}: {estimated} estimated, {all_bytes} allocated"
        );
    }
}

/// The hidden states of a text, its activations in bytes and the sines of its positions, once it has
/// been read, are counted before.
fn an_encoder_takes_memory_for_a_whole_text() {
    let mut file = ModelFile::read(EMBEDDING_GEMMA.1);
    for tensor in file.tensors.iter_mut().filter(|it| it.dims.len() == 2) {
        tensor.dtype = DType::Q8_0;
        let size_bytes = DType::Q8_0.size_bytes(tensor.dims.iter().product());
        tensor.data = vec![0; size_bytes.expect("whole blocks") as usize];
    }
    let context_length = "gemma-embedding.context_length";
    let bytes = file.with(context_length, 4096_u32).to_bytes();
    let options = Options {
        context_tokens: Some(CONTEXT_TOKENS),
        ..Options::default()
    };
    let mut loader = Loader::new(Cpu::default(), options);
    let data_at = header(&bytes).tensors[0].offset as usize;
    loader.push(&bytes[..data_at]).expect("a header");
    let (backend, config, tensors) = loader.header().expect("the whole header");
    let estimate = MemoryEstimate::new(backend, config, tensors, CONTEXT_TOKENS, 1);
    let before = ALLOCATED.load(SeqCst);
    loader.push(&bytes[data_at..]).expect("the weights");
    let mut model = loader.finish().expect("a model").model;
    let (mut hidden, never) = (Vec::new(), &mut || false);
    let step = model.step_hidden(&[7; CONTEXT_TOKENS], &mut hidden, never);
    pollster::block_on(step).expect("hidden states");
    let (all_bytes, estimated) = (ALLOCATED.load(SeqCst) - before, estimate.total_bytes());
    assert_eq!(hidden.len(), CONTEXT_TOKENS * 32);
    assert!(
        (estimated as i64 - all_bytes).abs() < SLACK_BYTES,
        "{estimated} estimated, {all_bytes} allocated"
    );
}

fn a_context_that_is_far_too_long_is_refused_by_the_header() {
    let bytes = model(DType::Q8_0)
        .with("llama.context_length", u32::MAX)
        .to_bytes();
    let data_at = header(&bytes).tensors[0].offset as usize;
    let options = Options {
        context_tokens: Some(u32::MAX as usize),
        ..Options::default()
    };
    let mut loader = Loader::new(Cpu::default(), options);
    let error = loader
        .push(&bytes[..data_at])
        .expect_err("a terabyte of keys and values");
    assert_eq!(error.code, Code::OutOfMemory);
    assert!(error.message.contains("shorter context"), "{error}");
    assert_sentence(&error);
}
