//! Compares Gemma 3 270M with its tokenizer and with llama.cpp. Gemma's licence asks each person to
//! accept it, so that no script of this repository fetches the model: whoever has the file names it,
//!
//! ```text
//! SISKIN_GEMMA=gemma-3-270m-q4_k_m.gguf cargo test --release --test gemma -- --nocapture
//! ```

mod support;

use serde_json::Value;
use siskin::{
    backend::{
        Backend,
        cpu::Cpu,
        gpu::{Gpu, device::GpuOptions},
    },
    loader::{Loaded, Loader, Options},
    model::Model,
    text::tokenizer::Special,
};
use std::{ffi::OsString, fs::File, io::Read};
use support::{
    golden::{argmax, ids, teacher_forced},
    tiny::with_metadata,
};

/// Returns the path of the model, or says that it is not there.
fn path() -> Option<OsString> {
    let path = std::env::var_os("SISKIN_GEMMA");
    if path.is_none() {
        println!("SKIPPED: SISKIN_GEMMA names no file of Gemma 3 270M");
    }
    path
}

fn loader<B: Backend>(backend: B, context_tokens: usize) -> Loader<B> {
    let options = Options {
        context_tokens: Some(context_tokens),
        ..Options::default()
    };
    Loader::new(backend, options)
}

/// Loads the model, or says that it is not there.
fn load<B: Backend>(
    backend: impl FnOnce() -> B,
    context_tokens: usize,
) -> Option<Loaded<Model<B>>> {
    let mut file = File::open(path()?).unwrap();
    let mut loader = loader(backend(), context_tokens);
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk).unwrap() {
            0 => return Some(loader.finish().unwrap()),
            len => loader.push(&chunk[..len]).unwrap(),
        }
    }
}

fn golden(path: &str) -> Value {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_reader(File::open(path).unwrap()).unwrap()
}

#[test]
fn gemma3_ids_equal_the_goldens() {
    let Some(loaded) = load(Cpu::default, 1024) else {
        return;
    };
    let goldens = golden("tokenizer/gemma3.json");
    let goldens = goldens.as_array().unwrap();
    assert_eq!(goldens.len(), 102);
    for case in goldens {
        let text = case["text"].as_str().unwrap();
        for (special, expected) in [
            (Special::Plain, &case["ids"]),
            (Special::Parse, &case["ids_special"]),
        ] {
            let found = loaded.tokenizer.encode(text, special);
            assert_eq!(found, ids(expected), "{special:?}: {text:?}");
            assert_eq!(loaded.tokenizer.decode(&found), text);
        }
    }
}

async fn perplexity<B: Backend>(model: &mut Model<B>, most: usize) {
    let golden = golden("real/gemma-3-270m-q4_k_m.json");
    let tokens = &ids(&golden["tokens"])[..most.min(513)];
    let vocab = model.vocab_size();
    let (mut same, mut off) = (0, 0.0);
    let (best, likely) = (ids(&golden["argmax"]), &golden["logprob_next"]);
    // Logits of many tokens of such a vocabulary take much memory.
    for (i, chunk) in tokens.chunks(16).enumerate() {
        let logits = teacher_forced(model, chunk).await;
        for (t, row) in (16 * i..).zip(logits.chunks_exact(vocab)) {
            same += usize::from(argmax(row) == best[t]);
            let Some(&next) = tokens.get(t + 1) else {
                break;
            };
            let max = f64::from(row.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x)));
            let sum: f64 = row.iter().map(|&x| (f64::from(x) - max).exp()).sum();
            let log_probability = f64::from(row[next as usize]) - max - sum.ln();
            off += log_probability - likely[t].as_f64().unwrap();
        }
    }
    let ratio = (-off / (tokens.len() - 1) as f64).exp();
    println!(
        "{} tokens: perplexity is {ratio:.4} times llama.cpp's; the likeliest token is its for \
         {:.1}%",
        tokens.len(),
        100.0 * same as f64 / tokens.len() as f64
    );
    assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
}

#[test]
fn gemma3_is_as_sure_of_a_text_as_llama_cpp() {
    if let Some(mut loaded) = load(Cpu::default, 1024) {
        pollster::block_on(perplexity(&mut loaded.model, 513));
    }
}

/// Takes few tokens, for the card may be a software one.
#[test]
fn gemma3_is_as_sure_of_a_text_on_the_card() {
    let open = || pollster::block_on(Gpu::open(GpuOptions::default())).expect("a card");
    if let Some(mut loaded) = load(open, 1024) {
        pollster::block_on(perplexity(&mut loaded.model, 96));
    }
}

#[test]
fn gemma3_goes_on_with_a_text() {
    let Some(mut loaded) = load(Cpu::default, 1024) else {
        return;
    };
    let mut tokens = loaded
        .tokenizer
        .encode("The capital of France is", Special::Plain);
    let bos = loaded.tokenizer.bos().unwrap();
    if tokens.first() != Some(&bos) {
        tokens.insert(0, bos);
    }
    let (prompt, mut logits) = (tokens.len(), Vec::new());
    pollster::block_on(loaded.model.forward(&tokens, Some(&mut logits))).unwrap();
    for _ in 0..8 {
        tokens.push(argmax(&logits));
        let last = &tokens[tokens.len() - 1..];
        pollster::block_on(loaded.model.forward(last, Some(&mut logits))).unwrap();
    }
    let text = loaded.tokenizer.decode(&tokens[prompt..]);
    println!("The capital of France is{text}");
    assert!(text.contains("France"), "{text}");
}

/// Most of its layers keep 768 positions; another model of the same weights keeps all.
#[test]
fn gemma3_computes_the_same_of_windows_that_are_kept_alone() {
    const CONTEXT_TOKENS: usize = 4096;
    let Some(mut model) = load(Cpu::default, CONTEXT_TOKENS).map(|loaded| loaded.model) else {
        return;
    };
    let file = std::fs::read(path().unwrap()).unwrap();
    let file = with_metadata(&file, |metadata| {
        metadata.insert("gemma3.attention.sliding_window", u32::MAX);
    });
    let mut loader = loader(Cpu::default(), CONTEXT_TOKENS);
    loader.push(&file).unwrap();
    drop(file);
    let mut whole = loader.finish().unwrap().model;
    whole.config.layers.clone_from(&model.config.layers);
    // Keys and values of one head of 256, two bytes each, in 18 layers.
    let position_bytes = 2 * 256 * 2;
    assert_eq!(whole.kv_cache_bytes(), 18 * CONTEXT_TOKENS * position_bytes);
    assert_eq!(
        model.kv_cache_bytes(),
        (3 * CONTEXT_TOKENS + 15 * 768) * position_bytes
    );

    let golden = ids(&golden("real/gemma-3-270m-q4_k_m.json")["tokens"]);
    let text: Vec<u32> = golden.iter().cycle().take(1500).copied().collect();
    let (mut logits, mut expected) = (Vec::new(), Vec::new());
    for range in [0..700, 700..1000, 1000..1001, 1001..1500] {
        let tokens = &text[range.clone()];
        pollster::block_on(whole.forward(tokens, Some(&mut expected))).unwrap();
        pollster::block_on(model.forward(tokens, Some(&mut logits))).unwrap();
        assert!(logits == expected, "after {} tokens", range.end);
    }
    assert_eq!(model.rewind(1250), 1250);
    pollster::block_on(model.forward(&text[1250..], Some(&mut logits))).unwrap();
    assert!(logits == expected, "an end that is written anew");
    assert_eq!(model.rewind(1000), 0, "its windows are gone");
}
