//! Encoders: their tokens and embeddings are those of Hugging Face transformers, and what they do
//! not do is refused.

mod support;

use serde_json::Value;
use siskin::{
    Code, Error,
    backend::cpu::Cpu,
    format::{
        gguf::GgufReader,
        metadata::{Metadata, StringArray},
        write::GgufWriter,
    },
    generate::sampler::{Sampler, SamplingOptions},
    loader::{Loader, Options},
    model::{Model, StepOutcome},
    quant::DType,
    session::{
        Session,
        engine::{AnyLoader, Pool},
        raw_prompt::RawPrompt,
        request::ChatRequest,
    },
    text::tokenizer::{Special, Tokenizer},
};
use support::{
    golden::ids,
    loading::refused,
    model_file::ModelFile,
    tiny::{EMBEDDING_GEMMA, ENCODERS, Tiny, with_metadata},
};

fn load(file: &[u8], threads: usize) -> Result<Session, Error> {
    let mut loader = AnyLoader::cpu(Options::default(), Pool::new(threads));
    loader.push(file)?;
    Ok(loader.finish()?.into())
}

fn session((_, file, _): Tiny) -> Session {
    load(file, 1).expect("a fixture")
}

fn goldens((.., golden): Tiny) -> Vec<Value> {
    serde_json::from_str(golden).expect("a fixture")
}

fn embed(session: &mut Session, text: &str) -> Vec<f32> {
    let tokens = session.embedding_tokens(text);
    pollster::block_on(session.embed(&tokens)).expect("a text that fits")
}

/// Asserts that the embeddings of a session are the golden's of this name, and returns how far off
/// one is at most.
fn check(session: &mut Session, goldens: &[Value], name: &str, bar: f64) -> f64 {
    let (mut worst, mut count) = (0f64, 0);
    for golden in goldens.iter().filter(|golden| golden[name].is_array()) {
        let found = embed(session, golden["text"].as_str().expect("a text"));
        let expected = golden[name].as_array().expect("numbers");
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            worst = worst.max((f64::from(*found) - expected.as_f64().expect("a number")).abs());
        }
        let length: f64 = found.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
        count += 1;
    }
    assert!(count >= 5);
    println!("{name}: off by at most {worst:.2e} at length 1");
    assert!(worst < bar, "{name}: off by {worst}");
    worst
}

#[test]
fn tokens_are_those_of_transformers() {
    for &tiny in ENCODERS {
        let session = session(tiny);
        for golden in goldens(tiny) {
            let text = golden["text"].as_str().expect("a text");
            assert_eq!(
                session.embedding_tokens(text),
                ids(&golden["ids"]),
                "{text:?}"
            );
        }
    }
}

fn tokenizer(change: impl FnOnce(&mut Metadata)) -> Result<Tokenizer, Error> {
    let gguf = GgufReader::new().push(ENCODERS[0].1)?.expect("a header");
    let mut metadata = gguf.metadata.clone();
    change(&mut metadata);
    Tokenizer::from_metadata(&metadata)
}

#[test]
fn texts_come_back_as_words() {
    let tokenizer = tokenizer(|_| {}).expect("a fixture");
    let text = "The fox JUMPED, unaffable";
    let tokens = tokenizer.encode(text, Special::Plain);
    assert_eq!(tokenizer.decode(&tokens), "the fox jumped , unaffable");
    let tokens = tokenizer.encode("[CLS]the [MASK] fox[SEP]", Special::Parse);
    assert_eq!(tokens.first(), tokenizer.bos().as_ref());
    assert_eq!(tokens.last(), tokenizer.separator().as_ref());
    assert_eq!(tokens.len(), 5);
}

/// Cased models say so; older files have special tokens by name alone.
#[test]
fn what_the_header_says_of_a_vocabulary_counts() {
    let cased = tokenizer(|metadata| {
        metadata.insert("tokenizer.ggml.normalizer.lowercase", false);
    });
    let cased = cased.expect("a vocabulary");
    let unknown = cased.encode("\u{2581}", Special::Plain);
    assert_eq!(cased.encode("The", Special::Plain), unknown);
    assert_eq!(cased.encode("the", Special::Plain).len(), 1);
    assert_ne!(cased.encode("the", Special::Plain), unknown);
    let accents = tokenizer(|metadata| {
        metadata.insert("tokenizer.ggml.normalizer.strip_accents", false);
    });
    let accents = accents.expect("a vocabulary");
    assert_eq!(accents.encode("CAFÉ", Special::Plain), unknown);
    assert_eq!(accents.encode("CAFE", Special::Plain).len(), 1);

    let named = tokenizer(|metadata| {
        for key in ["bos", "eos", "seperator", "unknown", "mask", "padding"] {
            // A value of another type counts as none.
            metadata.insert(format!("tokenizer.ggml.{key}_token_id"), "none");
        }
    });
    let named = named.expect("the names tell");
    assert_eq!((named.bos(), named.separator()), (Some(2), Some(3)));
    let none = tokenizer(|metadata| {
        let tokens = StringArray::from_iter(["\u{2581}a", "b"]);
        metadata.insert("tokenizer.ggml.tokens", tokens);
        metadata.insert("tokenizer.ggml.token_type", vec![1, 1]);
        metadata.insert("tokenizer.ggml.seperator_token_id", 999_u32);
    });
    assert_eq!(none.err().map(|error| error.code), Some(Code::Tokenizer));
}

#[test]
fn embeddings_are_those_of_transformers() {
    for &tiny in ENCODERS {
        let (mut session, goldens) = (session(tiny), goldens(tiny));
        println!("{}", tiny.0);
        let off = check(&mut session, &goldens, "mean", 1e-3);
        // Other threads, and texts before, change nothing.
        let mut other = load(tiny.1, 3).expect("a fixture");
        assert_eq!(off, check(&mut other, &goldens, "mean", 1e-3));
        assert_eq!(off, check(&mut other, &goldens, "mean", 1e-3));
    }
}

#[test]
fn the_file_says_which_states_are_taken() {
    let key = |tiny: Tiny| format!("{}.pooling_type", tiny.0.trim_end_matches("-tiny"));
    for &tiny in ENCODERS {
        let pooled = |kind: u32| {
            with_metadata(tiny.1, |it| {
                it.insert(key(tiny), kind);
            })
        };
        let mut first = load(&pooled(2), 1).expect("a pooling");
        check(&mut first, &goldens(tiny), "first", 1e-3);
        let mut none = load(&pooled(0), 1).expect("the mean");
        check(&mut none, &goldens(tiny), "mean", 1e-3);
        for other in [4, 99] {
            let error = load(&pooled(other), 1).err().expect("it is not known");
            assert_eq!(error.code, Code::Architecture);
            assert!(error.message.contains("pooling_type"), "{error}");
        }
    }
}

/// Windows reach half before a token and half behind it, and an odd one no farther than the even one
/// below.
#[test]
fn tokens_see_the_window_that_the_file_has() {
    let text = goldens(EMBEDDING_GEMMA)[38]["text"].clone();
    let of = |window: u32| {
        let key = "gemma-embedding.attention.sliding_window";
        let file = with_metadata(EMBEDDING_GEMMA.1, |it| {
            it.insert(key, window);
        });
        let mut session = load(&file, 1).expect("a window");
        embed(&mut session, text.as_str().expect("a text"))
    };
    let expected = of(12);
    assert_eq!(of(13), expected);
    // The bar to transformers' tells the neighbours apart.
    for other in [10, 14, 1000] {
        let off = expected.iter().zip(of(other)).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f32::max) > 1e-2, "{other}");
    }
}

/// The dense layers behind the pooling are those that the header tells of: files that were converted
/// without them have none.
#[test]
fn dense_layers_are_those_of_the_header() {
    let whole = || ModelFile::read(EMBEDDING_GEMMA.1);
    let bare = || whole().without("dense_2.weight").without("dense_3.weight");
    refused(&bare().to_bytes(), Code::TensorMissing, "dense_2.weight");
    let one = whole().without("dense_3.weight");
    refused(&one.to_bytes(), Code::TensorMissing, "dense_3.weight");
    let longer = whole().with("gemma-embedding.dense_2_feat_out", 65_u32);
    refused(&longer.to_bytes(), Code::TensorShape, "dense_2.weight");

    let untold = |mut file: ModelFile| {
        let metadata = std::mem::take(&mut file.metadata);
        for (key, value) in metadata.iter().filter(|(key, _)| !key.contains("_feat_")) {
            file.metadata.insert(key, value.clone());
        }
        file.to_bytes()
    };
    refused(&untold(whole()), Code::Architecture, "dense_2.weight");
    let mut session = load(&untold(bare()), 1).expect("a model without dense layers");
    let pooled = embed(&mut session, "the quick fox");
    // A matrix of the last one's first half returns as many numbers.
    let mut half = whole().with("gemma-embedding.dense_3_feat_out", 16_u32);
    let dense = half.tensor("dense_3.weight");
    dense.dims[1] = 16;
    dense.data.truncate(dense.data.len() / 2);
    let half = embed(
        &mut load(&half.to_bytes(), 1).expect("a model"),
        "the quick fox",
    );
    let all = embed(&mut session_of(&whole()), "the quick fox");
    assert_eq!((pooled.len(), half.len(), all.len()), (32, 16, 32));
    let likeness = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    assert!(
        likeness(&pooled, &all).abs() < 0.9,
        "they are other numbers"
    );
    let length = all[..16].iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!((likeness(&half, &all[..16]) / length - 1.0).abs() < 1e-6);
}

fn session_of(file: &ModelFile) -> Session {
    load(&file.to_bytes(), 1).expect("a model")
}

/// The first file of a model that llama.cpp has split may lack the kinds of texts.
#[test]
fn a_split_encoder_is_the_whole_one() {
    for &tiny in ENCODERS {
        let mut file = ModelFile::read(tiny.1);
        // The embeddings of tokens come first, and of kinds of texts last.
        file.tensors
            .sort_by_key(|tensor| match tensor.name.as_str() {
                "token_embd.weight" => 0,
                "token_types.weight" => 2,
                _ => 1,
            });
        let expected = embed(&mut session(tiny), "the quick fox");
        let count = file.tensors.len();
        let mut split = load(&file.split(&[1, count - 1]).concat(), 1).expect("a model");
        assert_eq!(embed(&mut split, "the quick fox"), expected, "{}", tiny.0);
    }
}

fn code<T>(result: Result<T, Error>) -> Option<Code> {
    result.err().map(|error| error.code)
}

#[test]
fn what_an_encoder_does_not_do_is_refused() {
    for &tiny in ENCODERS {
        let mut session = session(tiny);
        let before = embed(&mut session, "the fox");
        let error = session.start(ChatRequest::user("Hi")).expect_err("no chat");
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains("embeddings.create"), "{error}");
        let raw = ChatRequest {
            raw_prompt: Some(RawPrompt::Text("Once upon".into())),
            sampling: SamplingOptions::greedy(),
            ..ChatRequest::user("")
        };
        assert_eq!(code(session.start(raw)), Some(Code::InvalidArgument));
        let score = pollster::block_on(session.score(&[2, 9, 3], 1));
        assert_eq!(code(score), Some(Code::InvalidArgument));
        assert_eq!(embed(&mut session, "the fox"), before);

        // 128 tokens fit, with those at both ends.
        let of = |words: usize| "the ".repeat(words).trim_end().to_owned();
        assert_eq!(embed(&mut session, &of(126)).len(), 32);
        let tokens = session.embedding_tokens(&of(127));
        let error = pollster::block_on(session.embed(&tokens)).expect_err("it is too long");
        assert_eq!(error.code, Code::ContextFull);
        let outside = pollster::block_on(session.embed(&[2, 9999, 3]));
        assert_eq!(code(outside), Some(Code::InvalidArgument));
        assert_eq!(embed(&mut session, "the fox"), before);
    }
}

fn model(file: &[u8]) -> Model<Cpu> {
    let mut loader = Loader::new(Cpu::default(), Options::default());
    loader.push(file).expect("a fixture");
    loader.finish().expect("a model").model
}

/// A step that is interrupted goes on, and one that is given up leaves nothing behind.
#[test]
fn a_long_text_can_be_interrupted() {
    for &tiny in ENCODERS {
        let mut model = model(tiny.1);
        let text = ids(&goldens(tiny)[38]["ids"]);
        let (mut expected, mut states) = (Vec::new(), Vec::new());
        pollster::block_on(async {
            let never = &mut || false;
            let whole = model.step_hidden(&text, &mut expected, never).await;
            assert_eq!(whole, Ok(StepOutcome::Done(None)));
            for given_up in [true, false] {
                let half = model.step_hidden(&text, &mut states, &mut || true).await;
                assert_eq!(half, Ok(StepOutcome::Paused(0.5)));
                if given_up {
                    let other = model.step_hidden(&text[..9], &mut states, never).await;
                    assert_eq!(other, Ok(StepOutcome::Done(None)));
                }
            }
            let rest = model.step_hidden(&text, &mut states, &mut || true).await;
            assert_eq!(rest, Ok(StepOutcome::Done(None)));
        });
        assert_eq!(states, expected);
    }
}

/// Tokens that the model goes on with, and what they would be followed by, are of no encoder.
#[test]
fn an_encoder_has_no_logits() {
    let mut model = model(ENCODERS[0].1);
    let (mut logits, never) = (Vec::new(), &mut || false);
    pollster::block_on(async {
        let forward = model.forward(&[2, 9, 3], Some(&mut logits)).await;
        assert_eq!(code(forward), Some(Code::InvalidArgument));
        let all = model.step_all(&[2, 9, 3], &mut logits, never).await;
        assert_eq!(code(all), Some(Code::InvalidArgument));
        let checked = model.step_checked(&[2, 9, 3], &mut |_| Ok(true)).await;
        assert_eq!(code(checked), Some(Code::InvalidArgument));
        let sampler = &mut Sampler::new(SamplingOptions::greedy(), 185).expect("options");
        let step = model.step(&[2, 9, 3], Some(sampler), never).await;
        assert_eq!(code(step), Some(Code::InvalidArgument));
    });
    assert_eq!((logits.len(), model.cached_tokens()), (0, 0));
}

/// Returns the file with its matrices as Q8_0, or with the same values as F32.
fn quantized(file: &[u8], as_f32: bool) -> Vec<u8> {
    let gguf = GgufReader::new().push(file).unwrap().expect("a header");
    let mut writer = GgufWriter::new(gguf.metadata.clone()).expect("metadata");
    for t in &gguf.tensors {
        let data = &file[t.offset as usize..(t.offset + t.size_bytes) as usize];
        let (mut dtype, mut bytes) = (t.dtype, data.to_vec());
        if t.dims.len() == 2 {
            let mut values = vec![0.0; t.elements() as usize];
            t.dtype.dequantize(data, &mut values);
            (dtype, bytes) = (DType::Q8_0, Vec::new());
            dtype.quantize(&values, &mut bytes).expect("a format");
            if as_f32 {
                dtype.dequantize(&bytes, &mut values);
                let f32s = values.iter().flat_map(|value| value.to_le_bytes());
                (dtype, bytes) = (DType::F32, f32s.collect());
            }
        }
        writer.tensor(&t.name, dtype, &t.dims, bytes).unwrap();
    }
    writer.to_bytes()
}

/// Activations are rounded to bytes then, and nothing else differs. In so small a model, whose
/// attention is sharp, that turns an embedding by a few degrees (0.998 by plain rounding).
#[test]
fn a_quantized_encoder_embeds() {
    for &(_, file, _) in ENCODERS {
        let [mut whole, mut small] = [true, false]
            .map(|as_f32| load(&quantized(file, as_f32), 1).expect("every format loads"));
        for text in ["the quick fox jumped", "unaffable embeddings", "naive!"] {
            let (a, b) = (embed(&mut whole, text), embed(&mut small, text));
            let likeness: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            println!("{text}: {likeness}");
            assert!(likeness > 0.997, "{likeness}");
        }
    }
}

/// Compares a whole model, all-MiniLM-L6-v2, by hand: whoever has its file, which
/// `tests/fixtures/real/make_minilm.py` writes, names it.
///
/// ```text
/// SISKIN_MINILM=all-MiniLM-L6-v2-f16.gguf cargo test --release --test encoder -- --nocapture minilm
/// ```
#[test]
fn minilm_is_that_of_transformers() {
    let Some(path) = std::env::var_os("SISKIN_MINILM") else {
        println!("SKIPPED: SISKIN_MINILM names no file of all-MiniLM-L6-v2");
        return;
    };
    let file = std::fs::read(path).expect("the file");
    let golden = include_str!("fixtures/real/all-MiniLM-L6-v2.json");
    let goldens: Vec<Value> = serde_json::from_str(golden).expect("a fixture");
    let mut session = load(&file, 2).expect("a model");
    for golden in &goldens {
        let text = golden["text"].as_str().expect("a text");
        let expected = ids(&golden["ids"]);
        assert_eq!(session.embedding_tokens(text), expected, "{text:?}");
    }
    check(&mut session, &goldens, "mean", 1e-3);
}
