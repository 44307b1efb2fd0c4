//! Holds the tiny models, and what Hugging Face transformers computes with them.

use super::golden::{argmax, ids, teacher_forced};
use half::bf16;
use serde_json::Value;
use siskin::{
    backend::{Backend, cpu::Cpu},
    format::{
        gguf::{GgufReader, TensorInfo},
        metadata::Metadata,
        write::GgufWriter,
    },
    loader::{Loader, Options},
    model::{Model, StepOutcome, rope::ROPE_FREQS},
    quant::DType,
};

/// Holds the name, the file and the golden of a tiny model.
pub type Tiny = (&'static str, &'static [u8], &'static str);

macro_rules! tiny {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../fixtures/models/", $name, ".gguf")),
            include_str!(concat!("../fixtures/models/", $name, ".json")),
        )
    };
}

/// Is the tiny Qwen2.
pub const QWEN2: Tiny = tiny!("qwen2-tiny");
/// Is the tiny Llama 3.
pub const LLAMA3: Tiny = tiny!("llama3-tiny");

/// Is the tiny LFM2, whose layers have convolutions.
pub const LFM2: Tiny = tiny!("lfm2-tiny");
/// Is the tiny Qwen3.5, whose layers have states, which cannot be cut.
pub const QWEN35: Tiny = tiny!("qwen35-tiny");

/// Is the tiny Gemma 4, whose layers take embeddings that the host reads.
pub const GEMMA4: Tiny = tiny!("gemma4-tiny");

/// Holds a tiny model of every architecture and of every kind of scaling: what
/// `tests/fixtures/models/make.py` makes, which tells what each is for.
pub const MODELS: &[Tiny] = &[
    QWEN2,
    LLAMA3,
    tiny!("llama-bias-tiny"),
    tiny!("qwen2-bias-tiny"),
    tiny!("qwen3-tiny"),
    tiny!("gemma2-tiny"),
    tiny!("gemma3-tiny"),
    GEMMA4,
    tiny!("phi3-tiny"),
    tiny!("phi3-long-tiny"),
    tiny!("mistral-linear-tiny"),
    tiny!("qwen2-yarn-tiny"),
    tiny!("smollm3-tiny"),
    tiny!("olmo2-tiny"),
    tiny!("granite-tiny"),
    tiny!("mistral3-tiny"),
    LFM2,
    QWEN35,
];

/// Holds the tiny encoders: what `tests/fixtures/models/make_encoder.py` makes.
pub const ENCODERS: &[Tiny] = &[
    tiny!("bert-tiny"),
    tiny!("nomic-bert-tiny"),
    EMBEDDING_GEMMA,
];

/// Is the tiny EmbeddingGemma, which has a window and dense layers.
pub const EMBEDDING_GEMMA: Tiny = tiny!("gemma-embedding-tiny");

/// Names the models whose golden was computed with frequencies that were rounded to bfloat16.
pub const ROUNDED: [&str; 4] = [
    "qwen2-tiny",
    "llama3-tiny",
    "llama-bias-tiny",
    "qwen2-bias-tiny",
];

/// Loads a tiny model, with the RoPE frequencies that its golden was computed with.
///
/// make.py turned some of the Hugging Face models to bfloat16 and back whole, which rounds the
/// frequencies too. The tensor `rope_freqs` is where a GGUF file can tell such frequencies.
pub fn load<B: Backend>(backend: B, tiny: Tiny) -> Model<B> {
    load_slots(backend, tiny, 1)
}

/// Loads a tiny model as [`load`] does, with so many slots of 512 tokens.
fn load_slots<B: Backend>(backend: B, (name, file, _): Tiny, slots: usize) -> Model<B> {
    if !ROUNDED.contains(&name) {
        return load_file(backend, file, slots);
    }
    let gguf = GgufReader::new().push(file).unwrap().unwrap();
    let data = |t: &TensorInfo| &file[t.offset as usize..(t.offset + t.size_bytes) as usize];
    let base = gguf
        .metadata
        .f32(&format!(
            "{}.rope.freq_base",
            gguf.metadata.str("general.architecture").unwrap()
        ))
        .unwrap();
    let mut divisors = vec![1f32; 32];
    if let Some(tensor) = gguf.tensors.iter().find(|t| t.name == ROPE_FREQS) {
        tensor.dtype.dequantize(data(tensor), &mut divisors);
    }
    let divisors: Vec<u8> = (0..32)
        .zip(divisors)
        .flat_map(|(i, divisor)| {
            let frequency = f64::from(base).powf(f64::from(-i) / 32.0) as f32;
            (frequency / bf16::from_f32(frequency / divisor).to_f32()).to_le_bytes()
        })
        .collect();
    let mut writer = GgufWriter::new(gguf.metadata.clone()).unwrap();
    for tensor in gguf.tensors.iter().filter(|t| t.name != ROPE_FREQS) {
        writer
            .tensor(&tensor.name, tensor.dtype, &tensor.dims, data(tensor))
            .unwrap();
    }
    writer
        .tensor(ROPE_FREQS, DType::F32, &[32], &divisors)
        .unwrap();
    load_file(backend, &writer.to_bytes(), slots)
}

fn load_file<B: Backend>(backend: B, file: &[u8], slots: usize) -> Model<B> {
    let options = Options {
        context_tokens: Some(512),
        slots: Some(slots),
        ..Options::default()
    };
    let mut loader = Loader::new(backend, options);
    loader.push(file).unwrap();
    loader.finish().unwrap().model
}

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

/// Asserts that the mean of the hidden states points where `expected` does: that each of its numbers
/// is off by less than `bar`, at length 1. The prompt comes in steps of one, few and many tokens.
async fn check_states<B: Backend>(
    model: &mut Model<B>,
    prompt: &[u32],
    expected: &[f64],
    bar: f64,
) {
    let (mut sums, mut states, mut rest) = (vec![0f64; expected.len()], Vec::new(), prompt);
    for tokens in [1, 5, rest.len() - 6] {
        let (chunk, later) = rest.split_at(tokens);
        rest = later;
        let done = model.step_hidden(chunk, &mut states, &mut || false).await;
        assert_eq!(done.unwrap(), StepOutcome::Done(None));
        assert_eq!(states.len(), tokens * expected.len());
        for state in states.chunks_exact(expected.len()) {
            for (sum, &x) in sums.iter_mut().zip(state) {
                *sum += f64::from(x);
            }
        }
    }
    let length = sums.iter().map(|x| x * x).sum::<f64>().sqrt();
    let worst = sums
        .iter()
        .zip(expected)
        .fold(0f64, |m, (x, y)| m.max((x / length - y).abs()));
    println!("the mean of the states is off by at most {worst:.2e} at length 1");
    assert!(worst < bar, "the mean of the states is off by {worst}");
}

/// Asserts that the logits differ by less than `bar` of the largest one, and that the most likely
/// tokens are the same.
pub async fn check(backend: impl Backend, tiny: Tiny, bar: f64) {
    check_model(&mut load(backend, tiny), tiny.0, tiny.2, bar).await;
}

/// Asserts the same of a loaded model.
pub async fn check_model<B: Backend>(model: &mut Model<B>, name: &str, golden: &str, bar: f64) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let (prompt, vocab) = (ids(&golden["prompt"]), model.vocab_size());

    check_states(model, &prompt, &floats(&golden["embedding"]), bar).await;
    model.rewind(0);
    let logits = teacher_forced(model, &prompt).await;
    let best: Vec<u32> = logits.chunks_exact(vocab).map(argmax).collect();
    assert_eq!(best, ids(&golden["argmax"]));

    let expected = floats(&golden["last_logits"]);
    let largest = expected.iter().fold(0f64, |m, x| m.max(x.abs()));
    let worst = logits[logits.len() - vocab..]
        .iter()
        .zip(&expected)
        .fold(0f64, |m, (a, b)| m.max((*a as f64 - b).abs()));
    println!(
        "{name}: the last logits are off by at most {:.2e} of the largest",
        worst / largest
    );
    assert!(worst < bar * largest, "{name}: off by {worst}");

    let mut next = argmax(&logits[logits.len() - vocab..]);
    let (mut greedy, mut logits) = (vec![next], Vec::new());
    while greedy.len() < 16 {
        model.forward(&[next], Some(&mut logits)).await.unwrap();
        next = argmax(&logits);
        greedy.push(next);
    }
    assert_eq!(greedy, ids(&golden["greedy"]));
}

/// Names the models whose layers have windows, and the number of positions that those keep of 512.
const WINDOWS: [(&str, usize); 4] = [
    ("gemma2-tiny", 320),
    ("gemma3-tiny", 320),
    ("gemma4-tiny", 320),
    ("phi3-tiny", 320),
];

/// Returns what a model is, if layers of it have windows, and how many positions those keep.
pub fn windowed() -> impl Iterator<Item = (Tiny, usize)> {
    WINDOWS.iter().filter_map(|&(name, room)| {
        let tiny = MODELS.iter().find(|tiny| tiny.0 == name)?;
        Some((*tiny, room))
    })
}

/// Returns a file with other metadata.
pub fn with_metadata(file: &[u8], change: impl FnOnce(&mut Metadata)) -> Vec<u8> {
    let gguf = GgufReader::new().push(file).unwrap().unwrap();
    let mut metadata = gguf.metadata.clone();
    change(&mut metadata);
    let mut writer = GgufWriter::new(metadata).unwrap();
    for t in &gguf.tensors {
        let data = &file[t.offset as usize..(t.offset + t.size_bytes) as usize];
        writer.tensor(&t.name, t.dtype, &t.dims, data).unwrap();
    }
    writer.to_bytes()
}

/// Returns a model on the CPU that keeps every position of every layer: its file tells of windows
/// that are longer than the context, and its layers are given theirs afterwards.
fn load_whole(tiny: Tiny) -> Model<Cpu> {
    let file = with_metadata(tiny.1, |metadata| {
        let arch = metadata.str("general.architecture").unwrap().to_owned();
        metadata.insert(format!("{arch}.attention.sliding_window"), 4096_u32);
    });
    let mut model = load_file(Cpu::default(), &file, 1);
    model.config.layers = load(Cpu::default(), tiny).config.layers;
    model
}

/// Asserts that a model whose layers keep their windows alone computes what it does where they keep
/// every position: in steps of any length, after all that happens to a cache. Logits may differ by
/// `bar` of the largest one; not at all where it is 0.
pub async fn check_windows<B: Backend>(backend: B, tiny: Tiny, room: usize, bar: f32) {
    let mut model = load_slots(backend, tiny, 2);
    let mut whole = load_whole(tiny);
    let vocab = model.vocab_size() as u32;
    let text = |from: u32, count: u32| (from..from + count).map(move |i| i * i * 5 % vocab);
    let tokens: Vec<u32> = text(0, 500).collect();
    let expected = teacher_forced(&mut whole, &tokens).await;
    let check = |first: usize, expected: &[f32], logits: &[f32], what: &str| {
        let expected = &expected[first * vocab as usize..][..logits.len()];
        let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
        let off = expected.iter().zip(logits);
        let off = off.fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(
            off <= bar * largest,
            "{}, {what}: off by {off} of {largest}",
            tiny.0
        );
    };
    let mut logits = Vec::new();
    let mut position = 0;
    for step in [1, 64, 7, 33, 64, 2].into_iter().cycle() {
        let end = tokens.len().min(position + step);
        model
            .forward_all(&tokens[position..end], &mut logits)
            .await
            .unwrap();
        check(position, &expected, &logits, "in steps");
        position = end;
        if end == tokens.len() {
            break;
        }
    }

    // An end that is written anew, as far back as positions are kept; and then all of it.
    assert_eq!(model.rewind(400), 400);
    let logits = teacher_forced(&mut model, &tokens[400..]).await;
    check(400, &expected, &logits, "a new end");
    assert_eq!(model.rewind(room / 2), 0, "its window is gone");
    let logits = teacher_forced(&mut model, &tokens).await;
    check(0, &expected, &logits, "from the beginning");

    // Another conversation that begins as this one does, as far as the other slot still reaches.
    let fork = |at: usize| [&tokens[..at], &text(7, 60).collect::<Vec<_>>()[..]].concat();
    let forked = fork(400);
    assert_eq!(model.select_slot(&forked), 400);
    let logits = teacher_forced(&mut model, &forked[400..]).await;
    whole.rewind(400);
    let of_fork = teacher_forced(&mut whole, &forked[400..]).await;
    check(0, &of_fork, &logits, "a copy");
    let state = model.export_slot().await.unwrap();
    assert_eq!(
        model.select_slot(&fork(100)),
        0,
        "neither slot reaches so far back"
    );
    assert_eq!(model.select_slot(&forked), forked.len() - 1);
    model.rewind(0);
    model.forward(&tokens[..450], None).await.unwrap();
    model.import_slot(&state).unwrap();
    assert_eq!(model.rewind(420), 420);
    let logits = teacher_forced(&mut model, &forked[420..]).await;
    check(20, &of_fork, &logits, "what was put back");

    // What is taken out of one backend goes on in another.
    let mut cpu = load(Cpu::default(), tiny);
    cpu.forward(&tokens[..430], None).await.unwrap();
    cpu.rewind(410);
    let state = cpu.export_slot().await.unwrap();
    model.import_slot(&state).unwrap();
    let logits = teacher_forced(&mut model, &tokens[410..]).await;
    check(410, &expected, &logits, "from the processor");
    model.rewind(410);
    cpu.rewind(0);
    cpu.import_slot(&model.export_slot().await.unwrap())
        .unwrap();
    let logits = teacher_forced(&mut cpu, &tokens[410..]).await;
    check(410, &expected, &logits, "to the processor");

    // What is not whole is refused.
    let mut short = state.clone();
    short.kv.truncate(state.kv.len() - 1);
    assert!(model.import_slot(&short).is_err());
}

/// Asserts that logits do not depend on how tokens come to the cache: one by one, in pieces, behind a
/// beginning that was kept, copied to another slot, or taken out and put back. They may differ by
/// `bar` of the largest one; not at all where it is 0.
pub async fn check_cache<B: Backend>(backend: B, tiny: Tiny, bar: f32) {
    let (name, ..) = tiny;
    let (mut model, mut logits) = (load_slots(backend, tiny, 2), Vec::new());
    let vocab = model.vocab_size() as u32;
    let tokens: Vec<u32> = (0..70).map(|i| i * 5 % vocab).collect();
    let other: Vec<u32> = (0..80).map(|i| (i * 7 + 3) % vocab).collect();
    let batch = teacher_forced(&mut model, &tokens).await;
    let same = |first: usize, logits: &[f32], what: &str| {
        let expected = &batch[first * vocab as usize..][..logits.len()];
        let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
        let off = expected.iter().zip(logits);
        let off = off.fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(
            off <= bar * largest,
            "{name}, {what}: off by {off} of {largest}"
        );
    };

    for piece in [1, 7, 33] {
        model.rewind(0);
        for (i, tokens) in tokens.chunks(piece).enumerate() {
            model.forward_all(tokens, &mut logits).await.unwrap();
            same(i * piece, &logits, &format!("in pieces of {piece}"));
        }
    }
    // A part of the beginning stays, which is longer than some windows. States are those of the
    // last steps, of 33, 33 and 4 tokens at first.
    let has_states = tiny == QWEN35;
    let held = |kept: usize, of_states: usize| if has_states { of_states } else { kept };
    for (kept, of_states) in [(3, 0), (30, 0), (61, 40), (69, 40)] {
        assert_eq!(model.rewind(kept), held(kept, of_states));
        let kept = model.cached_tokens();
        let cut = tokens.len().min(kept.max(40));
        for tokens in [&tokens[kept..cut], &tokens[cut..]] {
            if !tokens.is_empty() {
                model.forward_all(tokens, &mut logits).await.unwrap();
                let first = model.cached_tokens() - tokens.len();
                same(first, &logits, &format!("behind {kept} tokens"));
            }
        }
    }
    let mut forked = tokens[..40].to_vec();
    forked.extend(&other);
    assert_eq!(model.select_slot(&forked), 40);
    for other in other.chunks(79) {
        model.forward(other, None).await.unwrap();
    }
    if has_states {
        assert_eq!(model.rewind(forked.len() - 1), forked.len() - 1);
    }
    let state = model.export_slot().await.unwrap();
    assert_eq!(
        model.select_slot(&tokens),
        held(tokens.len() - 1, 40),
        "the other slot"
    );
    if model.cached_tokens() < 69 {
        let rest = &tokens[model.cached_tokens()..69];
        model.forward(rest, None).await.unwrap();
    }
    model.forward_all(&tokens[69..], &mut logits).await.unwrap();
    same(69, &logits, "after another slot");
    let last = logits.clone();

    // What was taken out goes on as if nothing had come between.
    assert_eq!(model.select_slot(&forked), forked.len() - 1);
    model
        .forward(&forked[forked.len() - 1..], Some(&mut logits))
        .await
        .unwrap();
    let expected = logits.clone();
    model.rewind(0);
    model.forward(&other, None).await.unwrap();
    model.import_slot(&state).unwrap();
    model.rewind(forked.len() - 1);
    model
        .forward(&forked[forked.len() - 1..], Some(&mut logits))
        .await
        .unwrap();
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    let off = expected.iter().zip(&logits);
    let off = off.fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(
        off <= bar * largest,
        "{name}: what was put back is off by {off}"
    );
    assert_ne!(logits, last);
}
