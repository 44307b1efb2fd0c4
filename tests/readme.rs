//! Holds the README's table of what runs to what is: the architectures that have a tiny model
//! (`tests/tiny.rs` and `tests/gpu` run each on both backends, and `tests/encoder.rs` those that
//! the graphics card leaves to the processor), and the formats of either backend.

mod support;

use siskin::{
    backend::{Backend, cpu::Cpu},
    format::gguf::GgufReader,
    model::arch::SUPPORTED,
    quant::DType,
};
use support::tiny::{ENCODERS, MODELS, Tiny};

/// Tells the models of an architecture. They are no more than what its files say that they are.
fn models_of(architecture: &str) -> &'static str {
    match architecture {
        "llama" => "Llama 2 to 3.2, SmolLM2, TinyLlama, Mistral 7B",
        "qwen2" => "Qwen2, Qwen2.5, Qwen2.5 Coder",
        "qwen3" => "Qwen3, dense",
        "gemma2" => "Gemma 2",
        "gemma3" => "Gemma 3, text",
        "gemma4" => "Gemma 4 E2B and E4B, text",
        "phi3" => "Phi-3, Phi-3.5 and Phi-4 mini",
        "smollm3" => "SmolLM3",
        "olmo2" => "OLMo 2",
        "granite" => "Granite 3, dense",
        "mistral3" => "Ministral 3, up to 16,384 tokens",
        "lfm2" => "LFM2 and LFM2.5, dense",
        "qwen35" => "Qwen3.5, dense, text",
        "bert" => "MiniLM, BGE and others with WordPiece, for embeddings",
        "nomic-bert" => "Nomic Embed 1 and 1.5, for embeddings",
        "gemma-embedding" => "EmbeddingGemma, for embeddings",
        other => panic!("the README has no models of {other}"),
    }
}

/// Tells which real model of an architecture was compared with another engine.
fn real(architecture: &str) -> &'static str {
    match architecture {
        "llama" => "SmolLM2-135M",
        "qwen2" => "Qwen2.5-Coder-0.5B",
        "gemma3" => "Gemma 3 270M, by hand",
        "bert" => "all-MiniLM-L6-v2, by hand",
        _ => "none",
    }
}

fn table() -> String {
    // A format that a backend lacks does not compile on the GPU, and fails here on the CPU.
    let runs = |dtype: &&DType| Cpu::default().alloc(**dtype, 8, 256).is_ok();
    let formats: Vec<_> = DType::ALL.iter().filter(runs).map(|d| d.name()).collect();
    let mut lines = format!(
        "| architecture | models | {} | compared whole with another engine |\n|---|---|---|---|\n",
        formats.join(", ")
    );
    for &architecture in SUPPORTED {
        let is_it = |(_, file, _): &Tiny| {
            let gguf = GgufReader::new().push(file).unwrap().unwrap();
            gguf.metadata.str("general.architecture") == Ok(architecture)
        };
        let backends = match MODELS.iter().any(is_it) {
            true => "CPU, GPU",
            false => "CPU",
        };
        assert!(
            MODELS.iter().chain(ENCODERS).any(is_it),
            "{architecture} has no tiny model"
        );
        lines += &format!(
            "| `{architecture}` | {} | {backends} | {} |\n",
            models_of(architecture),
            real(architecture)
        );
    }
    lines
}

#[test]
fn the_table_of_what_runs_is_true() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let table = table();
    let text = std::fs::read_to_string(readme).unwrap();
    assert!(
        text.contains(&table),
        "the README's table is to be\n{table}"
    );
}
