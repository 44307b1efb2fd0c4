//! Embeddings: their form, and what they leave as it was. tests/tiny.rs and tests/gpu compare the
//! states that they are made of with Hugging Face transformers.

#[path = "support/mod.rs"]
mod support;

use siskin::{
    Code,
    backend::cpu::Cpu,
    loader::{Loader, Options},
    session::{
        Session,
        engine::{AnyLoader, Pool},
        request::ChatRequest,
    },
};

use support::tiny::with_metadata;

const MODEL: &str = "tests/fixtures/models/chat-tiny.gguf";

fn options() -> Options {
    Options {
        context_tokens: Some(256),
        ..Options::default()
    }
}

fn file() -> Vec<u8> {
    std::fs::read(MODEL).expect("the model is a fixture")
}

fn session() -> Session {
    let mut loader = AnyLoader::cpu(options(), Pool::new(1));
    loader.push(&file()).expect("the model is whole");
    loader.finish().expect("the model loads").into()
}

fn embed(session: &mut Session, text: &str) -> Vec<f32> {
    let tokens = session.embedding_tokens(text);
    pollster::block_on(session.embed(&tokens)).expect("a text of some tokens")
}

fn answer(session: &mut Session) -> (String, usize) {
    pollster::block_on(async {
        let request = ChatRequest {
            max_tokens: Some(8),
            sampling: siskin::generate::sampler::SamplingOptions {
                temperature: 0.0,
                ..Default::default()
            },
            ..ChatRequest::user("Why is the sky blue?")
        };
        session.start(request).expect("the request is right");
        let (mut text, mut cached) = (String::new(), 0);
        while let Some(event) = session.next().await.expect("the model computes") {
            text.push_str(&event.text);
            cached = event.usage.map_or(cached, |usage| usage.cached_tokens);
        }
        (text, cached)
    })
}

/// Returns the hidden states of all tokens, `[tokens, embedding]`.
fn states(tokens: &[u32]) -> Vec<f32> {
    let mut loader = Loader::new(Cpu::default(), options());
    loader.push(&file()).expect("the model is whole");
    let mut model = loader.finish().expect("the model loads").model;
    let (mut all, mut states) = (Vec::new(), Vec::new());
    for chunk in tokens.chunks(64) {
        pollster::block_on(model.step_hidden(chunk, &mut states, &mut || false)).expect("a step");
        all.extend_from_slice(&states);
    }
    all
}

/// The states come from the model itself, here; that they are right is tested elsewhere.
#[test]
fn an_embedding_is_the_mean_of_the_states_at_length_1() {
    let mut session = session();
    // Longer than a step.
    let mut text = String::new();
    while session.embedding_tokens(&text).len() <= 64 {
        text.push_str("The quick brown fox. ");
    }
    let tokens = session.embedding_tokens(&text);
    let embedding = embed(&mut session, &text);

    let mut sums = vec![0f64; embedding.len()];
    for state in states(&tokens).chunks_exact(sums.len()) {
        sums.iter_mut()
            .zip(state)
            .for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let length = sums.iter().map(|x| x * x).sum::<f64>().sqrt();
    for (x, sum) in embedding.iter().zip(&sums) {
        assert!((f64::from(*x) - sum / length).abs() < 1e-6);
    }
    let own_length: f64 = embedding.iter().map(|&x| f64::from(x).powi(2)).sum();
    assert!((own_length - 1.0).abs() < 1e-6, "{own_length}");
}

/// Files of embedding models say which state they were trained on, and that EOS follows a text:
/// Qwen3 Embedding's do.
#[test]
fn the_file_says_which_state_an_embedding_is() {
    let mut eos = 0;
    let mut with = |pooling: u32| {
        let file = with_metadata(&file(), |metadata| {
            metadata.insert("llama.pooling_type", pooling);
            metadata.insert("tokenizer.ggml.add_eos_token", true);
            eos = metadata.u64("tokenizer.ggml.eos_token_id").expect("an EOS") as u32;
        });
        let mut loader = AnyLoader::cpu(options(), Pool::new(1));
        loader.push(&file)?;
        loader.finish().map(Session::from)
    };
    let text = "The quick brown fox. ".repeat(9);
    // The first token of a decoder has seen no other, and a rank is no embedding.
    for pooling in [2, 4] {
        let error = with(pooling).err().expect("it is refused");
        assert_eq!(error.code, Code::Architecture);
        assert!(error.message.contains("pooling_type"), "{error}");
    }
    let mut last = with(3).expect("the last state");
    let tokens = last.embedding_tokens(&text);
    let without = session().embedding_tokens(&text);
    assert_eq!(tokens[..without.len()], without);
    assert_eq!(tokens[without.len()..], [eos]);
    assert!(tokens.len() > 64, "more than a step");
    let embedding = embed(&mut last, &text);
    let states = states(&tokens);
    let state = states
        .chunks_exact(embedding.len())
        .next_back()
        .expect("tokens");
    let length = state.iter().map(|x| x * x).sum::<f32>().sqrt();
    for (x, state) in embedding.iter().zip(state) {
        assert!((x - state / length).abs() < 1e-6);
    }
}

#[test]
fn an_embedding_leaves_the_conversation_as_it_was() {
    let mut session = session();
    let alone = embed(&mut session, "A parrot");
    let (text, _) = answer(&mut session);
    let again = embed(&mut session, "A parrot");
    assert_eq!(alone, again);
    assert_ne!(alone, embed(&mut session, "A stone"));
    let (after, cached) = answer(&mut session);
    assert_eq!(after, text);
    assert!(cached > 0, "the conversation is still cached");
}

#[test]
fn what_cannot_be_embedded_is_refused() {
    let mut session = session();
    for (tokens, code) in [
        (vec![], Code::InvalidArgument),
        (vec![9999], Code::InvalidArgument),
        (vec![1; 257], Code::ContextFull),
    ] {
        let error = pollster::block_on(session.embed(&tokens)).expect_err("it cannot be");
        assert_eq!(error.code, code);
    }
    session.start(ChatRequest::user("Hi")).expect("a request");
    let error = pollster::block_on(session.embed(&[1])).expect_err("an answer is being written");
    assert_eq!(error.code, Code::Busy);
}

/// What the header says is known before a weight has come.
#[test]
fn a_plan_tells_what_a_load_will_take() {
    let file = file();
    let mut loader = Loader::new(Cpu::default(), options());
    assert!(loader.plan().is_none());
    let mut at = 0;
    while loader.plan().is_none() {
        loader
            .push(&file[at..at + 1024])
            .expect("the header is right");
        at += 1024;
    }
    let plan = loader.plan().expect("the header is there");
    assert!(at < file.len() / 2, "{at} of {}", file.len());
    assert_eq!(plan.file.name, "chat-tiny");
    assert_eq!(plan.file.size_bytes, file.len() as u64);
    assert_eq!((plan.context_tokens, plan.slots), (256, 1));
    loader.push(&file[at..]).expect("the rest is right");
    let model = loader.finish().expect("the model loads").model;
    assert_eq!(plan.memory.cache_bytes, model.kv_cache_bytes() as u64);
}
