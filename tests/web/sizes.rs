//! Tests sizes around what a usize of 32 bits can count.

use crate::support::{
    data::{Random, near, random_blocks},
    model_file::{ModelFile, Tensor, dims_at, patch},
};
use siskin::{
    Code, Error,
    backend::{
        cpu::Cpu,
        gpu::{device::CacheType, weights::repack::Layout},
    },
    format::gguf::GgufReader,
    loader::{Loader, Options},
    quant::DType,
};
use wasm_bindgen_test::wasm_bindgen_test as test;

const EMBEDDING: u64 = 1024;
const EPS: f64 = 1e-5;

/// Makes the header and all tensors but the embeddings of a model whose layer adds nothing, so that
/// its logits are the product of the embeddings and one of their own rows. The header claims `rows`
/// of them.
fn file_before_embeddings(dtype: DType, rows: u64) -> Vec<u8> {
    let mut file = ModelFile::small(DType::F32)
        .with("llama.embedding_length", EMBEDDING as u32)
        .with("llama.attention.key_length", 64_u32)
        .with("llama.attention.layer_norm_rms_epsilon", EPS as f32);
    let floats = |name: &str, dims: &[u64], value: f32| Tensor {
        name: name.to_owned(),
        dtype: DType::F32,
        dims: dims.to_owned(),
        data: value
            .to_le_bytes()
            .repeat(dims.iter().product::<u64>() as usize),
    };
    let vocab = 258;
    let embeddings = dtype.size_bytes(EMBEDDING * vocab).expect("whole blocks");
    file.tensors = vec![
        floats("output_norm.weight", &[EMBEDDING], 1.0),
        floats("blk.0.attn_norm.weight", &[EMBEDDING], 1.0),
        floats("blk.0.attn_q.weight", &[EMBEDDING, 256], 0.0),
        floats("blk.0.attn_k.weight", &[EMBEDDING, 64], 0.0),
        floats("blk.0.attn_v.weight", &[EMBEDDING, 64], 0.0),
        floats("blk.0.attn_output.weight", &[256, EMBEDDING], 0.0),
        floats("blk.0.ffn_norm.weight", &[EMBEDDING], 1.0),
        floats("blk.0.ffn_gate.weight", &[EMBEDDING, 256], 0.0),
        floats("blk.0.ffn_up.weight", &[EMBEDDING, 256], 0.0),
        floats("blk.0.ffn_down.weight", &[256, EMBEDDING], 0.0),
        Tensor {
            name: "token_embd.weight".to_owned(),
            dtype,
            dims: vec![EMBEDDING, vocab],
            data: vec![0; embeddings as usize],
        },
    ];
    let mut bytes = file.to_bytes();
    let header = GgufReader::new()
        .push(&bytes)
        .expect("a header")
        .expect("all of it");
    let embeddings = header.tensors.last().expect("the embeddings");
    bytes.truncate(embeddings.offset as usize);
    let at = dims_at(&bytes, "token_embd.weight");
    patch(&mut bytes, at + 8, &rows.to_le_bytes());
    bytes
}

#[test]
fn a_vocabulary_of_more_than_2_to_29_weights_loads() {
    const ROWS: usize = (1 << 19) + 5;
    const _: () = assert!(ROWS as u64 * EMBEDDING > 1 << 29);
    let mut random = Random::new(8);
    let rows: Vec<(usize, Vec<u8>)> = [0, ROWS / 2, ROWS - 1]
        .map(|row| {
            (
                row,
                random_blocks(DType::Q2K, EMBEDDING as usize, &mut random),
            )
        })
        .into();
    let row_bytes = rows[0].1.len();

    let mut loader = Loader::new(Cpu::default(), Options::default());
    loader
        .push(&file_before_embeddings(DType::Q2K, ROWS as u64))
        .expect("a good header");
    let mut first = 0;
    while first < ROWS {
        let count = 3001.min(ROWS - first);
        let mut chunk = vec![0; count * row_bytes];
        for (row, bytes) in &rows {
            if (first..first + count).contains(row) {
                chunk[(row - first) * row_bytes..][..row_bytes].copy_from_slice(bytes);
            }
        }
        loader.push(&chunk).expect("memory");
        first += count;
    }
    let mut model = loader.finish().expect("a model").model;

    let values = |bytes: &[u8]| {
        let mut values = vec![0.0; EMBEDDING as usize];
        DType::Q2K.dequantize(bytes, &mut values);
        values.into_iter().map(f64::from).collect::<Vec<f64>>()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for (token, bytes) in &rows {
        let mut logits = Vec::new();
        model.rewind(0);
        pollster::block_on(model.forward(&[*token as u32], Some(&mut logits))).expect("logits");
        let x = values(bytes);
        let rms = (dot(&x, &x) / EMBEDDING as f64 + EPS).sqrt();
        for (row, bytes) in &rows {
            let w = values(bytes);
            let size = (dot(&w, &w) * dot(&x, &x)).sqrt() / rms;
            near(logits[*row], dot(&w, &x) / rms, 0.02 * size, &|| {
                format!("row {row} times row {token}")
            });
            logits[*row] = 0.0;
        }
        assert!(
            logits.iter().all(|&logit| logit == 0.0),
            "a row stands elsewhere too"
        );
    }
}

#[test]
fn what_bounds_a_tensor_is_its_bytes_in_memory() {
    let push = |dtype, rows| -> Result<(), Error> {
        let mut loader = Loader::new(Cpu::default(), Options::default());
        loader.push(&file_before_embeddings(dtype, rows))
    };
    // 2^31 bytes cannot be counted by a usize that may be a difference too.
    for (dtype, row_bytes) in [(DType::F32, 4096), (DType::F16, 2048)] {
        let rows = (1 << 31) / row_bytes;
        push(dtype, rows - 1).expect("less than 2^31 bytes");
        let error = push(dtype, rows).expect_err("2^31 bytes");
        assert_eq!(error.code, Code::OutOfMemory, "{}: {error}", dtype.name());
    }
    // As many rows as a vocabulary may have fit where weights are quantized.
    for &dtype in DType::ALL.iter().filter(|dtype| dtype.block_len() > 1) {
        push(dtype, 1 << 20).expect("less than 2^31 bytes");
    }
}

#[test]
fn sizes_on_the_device_are_counted_to_the_last_bit() {
    // A layer of 8 key-value heads of 128, with a context of 65,536 tokens.
    let len = 2 * 8 * 128 * 65_536;
    assert_eq!(CacheType::F16.size_bytes(len), 2 * len);
    assert_eq!(CacheType::Q8_0.size_bytes(len), len / 32 * 36);
    assert_eq!(CacheType::F16.size_bytes(1 << 31), usize::MAX);

    // As many blocks of 32 weights as 1 GiB has, in planes of whole blocks.
    for (dtype, planes) in [
        (DType::F32, [128, 0, 0, 0]),
        (DType::F16, [64, 0, 0, 0]),
        (DType::Q5_1, [16, 4, 4, 0]),
        (DType::Q8_0, [32, 0, 2, 0]),
    ] {
        let block_bytes: usize = planes.iter().sum();
        let blocks = (1 << 30) / block_bytes / 8 * 8;
        let layout = Layout::of(dtype);
        assert_eq!(layout.offsets(blocks), planes.map(|plane| plane * blocks));
        assert_eq!(layout.planes(blocks).size_bytes, block_bytes * blocks);
    }
}
