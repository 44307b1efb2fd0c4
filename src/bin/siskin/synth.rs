//! `siskin synth`: writes a model of a known shape with made-up weights, to measure a machine that
//! has no model. Its answers mean nothing.

use crate::{
    arguments::Arguments,
    files::{show, write},
};
use siskin::{
    Code, Error, Result,
    format::{
        gguf::GgufReader,
        metadata::{Metadata, StringArray},
        write::GgufWriter,
    },
    generate::rng::Pcg32,
    model::{
        arch,
        config::ModelConfig,
        weights::{Expected, expected, is_on_host},
    },
    quant::{DType, random_weights},
};
use std::path::Path;

/// Holds the sizes of a model that people run.
struct Shape {
    name: &'static str,
    architecture: &'static str,
    layers: u32,
    embedding: u32,
    heads: u32,
    kv_heads: u32,
    feed_forward: u32,
    vocab: usize,
    context: u32,
    rope_base: f32,
}

/// Lists the shapes, from their models' `config.json`.
const SHAPES: [Shape; 5] = [
    Shape {
        name: "smollm2-135m",
        architecture: "llama",
        layers: 30,
        embedding: 576,
        heads: 9,
        kv_heads: 3,
        feed_forward: 1536,
        vocab: 49_152,
        context: 8192,
        rope_base: 1e5,
    },
    Shape {
        name: "qwen2.5-0.5b",
        architecture: "qwen2",
        layers: 24,
        embedding: 896,
        heads: 14,
        kv_heads: 2,
        feed_forward: 4864,
        vocab: 151_936,
        context: 32_768,
        rope_base: 1e6,
    },
    Shape {
        name: "llama-3.2-1b",
        architecture: "llama",
        layers: 16,
        embedding: 2048,
        heads: 32,
        kv_heads: 8,
        feed_forward: 8192,
        vocab: 128_256,
        context: 131_072,
        rope_base: 5e5,
    },
    Shape {
        name: "qwen2.5-1.5b",
        architecture: "qwen2",
        layers: 28,
        embedding: 1536,
        heads: 12,
        kv_heads: 2,
        feed_forward: 8960,
        vocab: 151_936,
        context: 32_768,
        rope_base: 1e6,
    },
    Shape {
        name: "qwen2.5-3b",
        architecture: "qwen2",
        layers: 36,
        embedding: 2048,
        heads: 16,
        kv_heads: 2,
        feed_forward: 11_008,
        vocab: 151_936,
        context: 32_768,
        rope_base: 1e6,
    },
];

/// Writes the model whose shape `--shape` names, with matrices of `--type`.
pub fn synth(arguments: &Arguments) -> Result<()> {
    let out = arguments.word(1, "OUT")?;
    let shape = shape_named(arguments.option("shape").unwrap_or("qwen2.5-0.5b"))?;
    let dtype = match arguments.option("type") {
        None => DType::Q4_0,
        Some(name) => dtype_named(name)?,
    };
    let metadata = metadata(shape);
    let config = config(shape, &metadata)?;
    let mut writer = GgufWriter::new(metadata)?;
    let mut rng = Pcg32::new(1, 0);
    let is_wanted = |tensor: &Expected| !tensor.optional && !is_on_host(&tensor.name);
    for tensor in expected(&config).into_iter().filter(is_wanted) {
        let (rows, cols) = (tensor.rows, tensor.cols);
        let (dtype, deviation) = match rows {
            1 => (DType::F32, 0.5),
            _ => (fitting(dtype, cols), 1.0 / (cols as f32).sqrt()),
        };
        let bytes = random_weights(dtype, rows * cols, deviation, &mut || rng.next_u32());
        let dims = [cols as u64, rows as u64];
        let dims = if rows == 1 { &dims[..1] } else { &dims };
        writer.tensor(tensor.name, dtype, dims, bytes)?;
    }
    write(Path::new(out), |file| writer.write_to(file))?;
    show(&format!(
        "{out}: the shape of {} with made-up weights in {}\n",
        shape.name,
        dtype.name()
    ))
}

/// Reads the config as from a file, whose embeddings tell the size of the vocabulary.
fn config(shape: &Shape, metadata: &Metadata) -> Result<ModelConfig> {
    let dims = [u64::from(shape.embedding), shape.vocab as u64];
    let bytes = vec![0; shape.embedding as usize * shape.vocab * size_of::<f32>()];
    let mut writer = GgufWriter::new(metadata.clone())?;
    writer.tensor("token_embd.weight", DType::F32, &dims, bytes)?;
    let header = GgufReader::new().push(&writer.to_bytes())?;
    arch::config(&header.ok_or_else(|| invalid("The shape makes no file.".to_owned()))?)
}

fn dtype_named(name: &str) -> Result<DType> {
    let found = DType::ALL
        .iter()
        .find(|dtype| dtype.name().eq_ignore_ascii_case(name));
    found.copied().ok_or_else(|| {
        let names: Vec<_> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
        invalid(format!(
            "There is no type {name}. Use one of {}.",
            names.join(", ")
        ))
    })
}

fn shape_named(name: &str) -> Result<&'static Shape> {
    let found = SHAPES.iter().find(|shape| shape.name == name);
    found.ok_or_else(|| {
        let names = SHAPES.map(|shape| shape.name).join(", ");
        invalid(format!("There is no shape {name}. Use one of {names}."))
    })
}

/// Returns the type of rows of `cols` columns: Q5_0 where they do not end with a block of `dtype`,
/// as in llama.cpp's files of Q4_K.
fn fitting(dtype: DType, cols: usize) -> DType {
    match cols.is_multiple_of(dtype.block_len()) {
        true => dtype,
        false => DType::Q5_0,
    }
}

fn metadata(shape: &Shape) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("general.architecture", shape.architecture);
    metadata.insert("general.name", &*format!("{} (made up)", shape.name));
    let mut set = |key: &str, value: u32| {
        metadata.insert(format!("{}.{key}", shape.architecture), value);
    };
    set("block_count", shape.layers);
    set("embedding_length", shape.embedding);
    set("feed_forward_length", shape.feed_forward);
    set("attention.head_count", shape.heads);
    set("attention.head_count_kv", shape.kv_heads);
    set("context_length", shape.context);
    let mut set = |key: &str, value: f32| {
        metadata.insert(format!("{}.{key}", shape.architecture), value);
    };
    set("attention.layer_norm_rms_epsilon", 1e-6);
    set("rope.freq_base", shape.rope_base);
    let tokens: StringArray = (0..shape.vocab).map(|id| format!("token{id}")).collect();
    metadata.insert("tokenizer.ggml.model", "gpt2");
    metadata.insert("tokenizer.ggml.pre", "qwen2");
    metadata.insert("tokenizer.ggml.tokens", tokens);
    metadata.insert("tokenizer.ggml.merges", StringArray::default());
    metadata.insert("tokenizer.ggml.eos_token_id", 0_u32);
    metadata
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidArgument, message)
}
