//! Tests models that LoRA adapters change as they compute.

mod support;

use serde_json::{Value, json};
use siskin::{
    Code,
    backend::cpu::{Cpu, pool::Pool},
    loader::{Loaded, Loader, Options},
    model::Model,
    quant::DType,
    session::{
        Session,
        engine::{AnyLoader, AnyModel},
        request::ChatRequest,
    },
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
    loader.add_adapter(adapter, 0.0).unwrap();
    file.chunks(10_000).for_each(|it| loader.push(it).unwrap());
    let before = logits(loader.finish().unwrap().model);
    let after = load_with(Cpu::default(), file, &[adapter]).unwrap();
    assert_eq!(before, logits(after));

    // One of another model is told by the header, before a weight is fetched.
    let mut loader = Loader::new(Cpu::default(), Options::default());
    loader.add_adapter(ADAPTED[1].adapter, 0.0).unwrap();
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
        loader.add_adapter(&adapter.to_bytes(), 0.0).unwrap();
        let error = loader.push(file).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains("encoder"), "{}", error.message);
    }
}

#[test]
fn what_cannot_be_added_is_refused() {
    let adapted = &ADAPTED[0];
    let add = |file: &[u8], pushed: usize| {
        let mut loader = Loader::new(Cpu::default(), Options::default());
        loader.push(&adapted.tiny.1[..pushed]).unwrap();
        let error = loader.add_adapter(file, 0.0).unwrap_err();
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

const CHAT: &[u8] = include_bytes!("fixtures/models/chat-tiny.gguf");

/// Returns an adapter of the tiny model that chats.
fn chat_adapter() -> Vec<u8> {
    let mut base = ModelFile::read(CHAT);
    let names = ["blk.0.attn_v.weight", "blk.1.ffn_down.weight"];
    let changes = names.map(|name| {
        let dims = base.tensor(name).dims.clone();
        halves(
            name,
            (DType::F32, &[dims[0], 4]),
            (DType::F32, &[4, dims[1]]),
        )
    });
    adapter(changes.concat()).to_bytes()
}

fn chat_loader(adapters: &[(&[u8], f32)]) -> AnyLoader {
    let options = Options {
        slots: Some(3),
        ..Options::default()
    };
    let mut loader = AnyLoader::cpu(options, Pool::new(1));
    for (file, scale) in adapters {
        loader.add_adapter(file, *scale).unwrap();
    }
    loader.push(CHAT).unwrap();
    loader
}

fn chat(more: &Value) -> ChatRequest {
    let mut request = json!({
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        "temperature": 0,
        "max_tokens": 12,
    });
    let fields = request.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    ChatRequest::from_fields(fields.clone()).unwrap()
}

/// Returns the answer, and how many tokens of the prompt were cached.
fn answer(session: &mut Session, more: &Value) -> (String, usize) {
    session.start(chat(more)).unwrap();
    finish(session)
}

fn finish(session: &mut Session) -> (String, usize) {
    let (mut text, mut cached_tokens) = (String::new(), 0);
    while let Some(event) = pollster::block_on(session.next()).unwrap() {
        text.push_str(&event.text);
        cached_tokens = event
            .usage
            .map_or(cached_tokens, |usage| usage.cached_tokens);
    }
    (text, cached_tokens)
}

#[test]
fn a_request_chooses_its_adapters() {
    let file = chat_adapter();
    let mut session = Session::from(chat_loader(&[(&file, 3.0), (&file, 0.0)]).finish().unwrap());
    let mut plain = Session::from(chat_loader(&[]).finish().unwrap());
    let lora = |scales: &[(usize, f32)]| {
        let list = scales
            .iter()
            .map(|(id, scale)| json!({"id": id, "scale": scale}));
        json!({"lora": list.collect::<Vec<_>>()})
    };
    let (without, _) = answer(&mut plain, &json!({}));
    let (with, _) = answer(&mut session, &json!({}));
    assert_ne!(with, without);
    // Those that are not listed change nothing; and each finds its own conversation again.
    assert_eq!(answer(&mut session, &lora(&[])), (without.clone(), 0));
    for (scales, expected) in [
        (&[(0, 3.0)][..], &with),
        (&[(0, 0.0), (1, 0.0)], &without),
        (&[(0, 3.0), (1, 0.0)], &with),
        (&[], &without),
    ] {
        let (text, cached_tokens) = answer(&mut session, &lora(scales));
        assert_eq!(&text, expected);
        assert!(cached_tokens > 0, "{scales:?}");
    }
    // The other adapter is the same file, and was not used before.
    assert_eq!(answer(&mut session, &lora(&[(1, 3.0)])), (with.clone(), 0));
    // A request that says nothing has those of the session again, and so has a choice.
    assert_eq!(answer(&mut session, &json!({})).0, with);
    session.use_adapters(&[0.0]).unwrap();
    assert_eq!(answer(&mut session, &json!({})).0, without);
    assert_eq!(session.adapter_scales(), [0.0, 0.0]);

    let refused = |session: &mut Session, more: &Value| session.start(chat(more)).unwrap_err();
    let error = refused(&mut session, &lora(&[(2, 1.0)]));
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(error.message.contains("id 2"), "{}", error.message);
    let error = refused(&mut plain, &lora(&[(0, 1.0)]));
    assert!(error.message.contains("without any"), "{}", error.message);
    assert_eq!(answer(&mut plain, &lora(&[])).0, without);
}

#[test]
fn a_lost_model_goes_on_with_the_adapters_of_the_answer() {
    let file = chat_adapter();
    let load = || chat_loader(&[(&file, 3.0)]).finish().unwrap();
    let without = json!({"lora": []});
    let (whole, _) = answer(&mut Session::from(load()), &without);
    let mut session = Session::from(load());
    session.start(chat(&without)).unwrap();
    let mut text = String::new();
    while text.is_empty() {
        text += &pollster::block_on(session.next()).unwrap().unwrap().text;
    }
    session.replace_decoder(load().model).unwrap();
    assert_eq!(text + &finish(&mut session).0, whole);
    // One without the adapter cannot take over.
    session.use_adapters(&[3.0]).unwrap();
    let bare = chat_loader(&[]).finish().unwrap();
    assert_eq!(
        session.replace_decoder(bare.model).unwrap_err().code,
        Code::InvalidArgument
    );
}

#[test]
fn a_prefix_belongs_to_its_adapters() {
    let file = chat_adapter();
    let load = |scale| chat_loader(&[(&file, scale)]).finish().unwrap();
    let mut session = Session::from(load(3.0));
    let tokens = pollster::block_on(session.keep_prefix(&chat(&json!({})))).unwrap();
    let kv = session.kept_prefix(&tokens).unwrap().to_vec();
    let (with, cached_tokens) = answer(&mut session, &json!({}));
    assert!(cached_tokens > 0);
    assert_eq!(
        answer(&mut session, &json!({"lora": []})).1,
        0,
        "it is of others"
    );

    // Another visit with the same adapters goes on with it.
    let mut again = Session::from(load(3.0));
    let state = again.state_of(tokens.clone(), kv);
    assert!(again.restore_prefix(&chat(&json!({})), state).unwrap());
    assert_eq!(answer(&mut again, &json!({})), (with, cached_tokens));
    assert_eq!(
        answer(&mut again, &json!({"lora": []})).1,
        0,
        "it is of others"
    );

    // What is stored is known by the file, its adapters and their scales.
    let fingerprint = |loaded: Loaded<AnyModel>| loaded.file.fingerprint;
    let bare = fingerprint(chat_loader(&[]).finish().unwrap());
    assert_eq!(fingerprint(load(3.0)), fingerprint(load(3.0)));
    assert_ne!(fingerprint(load(3.0)), bare);
    assert_ne!(fingerprint(load(3.0)), fingerprint(load(2.0)));
}

#[test]
fn scores_and_embeddings_are_those_of_the_sessions_adapters() {
    let file = chat_adapter();
    let mut session = Session::from(chat_loader(&[(&file, 3.0)]).finish().unwrap());
    let tokens = [1, 9, 4, 7, 3];
    let both = |session: &mut Session| {
        let score = pollster::block_on(session.score(&tokens, 1)).unwrap();
        let embedding = pollster::block_on(session.embed(&tokens)).unwrap();
        (score.log_probabilities, embedding)
    };
    let with = both(&mut session);
    answer(&mut session, &json!({"lora": []}));
    assert_eq!(both(&mut session), with);
    session.use_adapters(&[0.0]).unwrap();
    let without = both(&mut session);
    assert_ne!(without.0, with.0);
    assert_ne!(without.1, with.1);
}
