//! Tests the class that JavaScript sees, as a worker calls it.

use super::support::{chat_model::chatting, model_file::ModelFile};
use js_sys::{JSON, Promise, Reflect};
use serde_json::{Value, json};
use siskin::{
    Code, Error,
    format::metadata::{Metadata, StringArray},
    text::tokenizer::{Special, Tokenizer},
    web::{WasmEngine, run_thread, thread_failed},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test as test;

const QWEN2: &[u8] = include_bytes!("../fixtures/models/qwen2-tiny.gguf");

fn js(value: &Value) -> JsValue {
    JSON::parse(&value.to_string()).expect("JSON")
}

fn from_js(value: &JsValue) -> Value {
    if value.is_undefined() {
        return Value::Null;
    }
    let text = JSON::stringify(value)
        .ok()
        .and_then(|text| JsValue::from(text).as_string())
        .expect("a plain object");
    serde_json::from_str(&text).expect("JSON")
}

/// Returns the `code` of an error that JavaScript caught, which must have a message.
fn code(thrown: &JsValue) -> String {
    let text = |name: &str| {
        Reflect::get(thrown, &name.into())
            .ok()
            .and_then(|value| value.as_string())
            .unwrap_or_default()
    };
    assert!(
        thrown.is_instance_of::<js_sys::Error>() && text("message").ends_with('.'),
        "{thrown:?}"
    );
    text("code")
}

fn engine(options: &Value) -> WasmEngine {
    WasmEngine::new(&js(options)).expect("good options")
}

async fn ready() -> WasmEngine {
    let engine = engine(&json!({}));
    engine.push(&chatting(QWEN2)).expect("a good file");
    settled(engine.finish()).await.expect("a whole file");
    engine
}

fn request(content: &str, max_tokens: u32) -> JsValue {
    js(&json!({
        "messages": [{"role": "user", "content": content}],
        "max_tokens": max_tokens,
        "temperature": 0,
    }))
}

async fn settled(promise: Promise) -> Result<Value, JsValue> {
    JsFuture::from(promise).await.map(|value| from_js(&value))
}

/// Returns all events of an answer.
async fn answer(engine: &WasmEngine) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        match settled(engine.next()).await.expect("an event") {
            Value::Null => return events,
            event => events.push(event),
        }
    }
}

fn text(events: &[Value]) -> String {
    events
        .iter()
        .filter_map(|event| event["text"].as_str())
        .collect()
}

fn error_of<T>(result: Result<T, Error>) -> Code {
    result.err().expect("an error").code
}

#[test]
async fn a_file_in_odd_pieces_gives_the_model() {
    let file = chatting(QWEN2);
    let mut texts = Vec::new();
    for sizes in [&[1_usize, 13, 4096, 100_003][..], &[65_536], &[usize::MAX]] {
        let engine = engine(&json!({"context_tokens": 128}));
        let (mut rest, mut turn) = (&file[..], 0);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(sizes[turn % sizes.len()].min(rest.len()));
            engine.push(piece).expect("a good piece");
            (rest, turn) = (after, turn + 1);
        }
        let info = settled(engine.finish()).await.expect("a whole file");
        let build = if cfg!(target_feature = "relaxed-simd") {
            "relaxed"
        } else {
            "simd"
        };
        for (field, expected) in [
            ("name", json!("tiny")),
            ("architecture", json!("qwen2")),
            ("file_type", json!("F16")),
            ("vocab_size", json!(384)),
            ("block_count", json!(2)),
            ("trained_context_tokens", json!(512)),
            ("context_tokens", json!(128)),
            ("size_bytes", json!(file.len())),
            ("has_chat_template", json!(true)),
            ("backend", json!("cpu")),
            ("build", json!(build)),
            ("threads", json!(1)),
        ] {
            assert_eq!(info[field], expected, "{field} of {info}");
        }
        engine.start(&request("Hi", 12)).expect("a good request");
        texts.push(text(&answer(&engine).await));
    }
    assert!(
        !texts[0].is_empty() && texts.iter().all(|text| *text == texts[0]),
        "{texts:?}"
    );
    let bytes = ready().await.memory_bytes();
    assert!(bytes > 1e6 && bytes % 65536.0 == 0.0, "{bytes}");
}

#[test]
async fn an_answer_ends_with_its_usage_and_the_next_reuses_the_cache() {
    let engine = ready().await;
    engine
        .start(&request("Hello there", 6))
        .expect("a good request");
    let events = answer(&engine).await;
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["finish_reason"], &last["usage"]["completion_tokens"]),
        (&json!("length"), &json!(6)),
        "{last}"
    );
    assert_eq!(last["usage"]["cached_tokens"], json!(0));
    assert!(
        events
            .iter()
            .rev()
            .skip(1)
            .all(|event| event["finish_reason"].is_null())
    );
    assert!(
        settled(engine.next()).await.expect("nothing").is_null(),
        "nothing follows the last"
    );

    engine
        .start(&request("Hello there", 6))
        .expect("a good request");
    let again = answer(&engine).await;
    let usage = &again.last().expect("an event")["usage"];
    assert_eq!(
        usage["cached_tokens"].as_u64(),
        usage["prompt_tokens"].as_u64().map(|tokens| tokens - 1)
    );
    assert_eq!(text(&again), text(&events));
}

#[test]
async fn stop_ends_an_answer_and_the_next_works() {
    let engine = ready().await;
    engine.stop();
    engine
        .start(&request("Hello", 200))
        .expect("a good request");
    let mut event = settled(engine.next()).await.expect("an event");
    while event["prefill"].is_object() {
        event = settled(engine.next()).await.expect("an event");
    }
    assert!(
        event["finish_reason"].is_null(),
        "a stop before the start stops nothing: {event}"
    );
    engine.stop();
    let rest = answer(&engine).await;
    assert_eq!(
        (rest.len(), &rest[0]["finish_reason"]),
        (1, &json!("abort")),
        "{rest:?}"
    );

    // The second answer is stopped while a step is under way.
    engine
        .start(&request("Hello", 200))
        .expect("a good request");
    let step = engine.next();
    engine.stop();
    let mut events = vec![settled(step).await.expect("the step ends well")];
    events.extend(answer(&engine).await);
    assert!(
        events.len() <= 2 && events.last().expect("an event")["finish_reason"] == "abort",
        "{events:?}"
    );

    engine.start(&request("Hello", 3)).expect("a good request");
    assert_eq!(
        answer(&engine).await.last().expect("an event")["finish_reason"],
        "length"
    );
}

#[test]
async fn one_thing_at_a_time() {
    let engine = ready().await;
    engine.start(&request("Hello", 5)).expect("a good request");
    assert_eq!(error_of(engine.start(&request("Hello", 5))), Code::Busy);
    let step = engine.next();
    assert_eq!(error_of(engine.start(&request("Hello", 5))), Code::Busy);
    assert_eq!(
        error_of(engine.tokenize("x", &JsValue::UNDEFINED)),
        Code::Busy
    );
    assert_eq!(error_of(engine.push(b"x")), Code::Busy);
    assert_eq!(
        code(&settled(engine.next()).await.expect_err("a second step")),
        "busy"
    );
    settled(step).await.expect("the first step goes on");
    assert_eq!(
        answer(&engine).await.last().expect("an event")["finish_reason"],
        "length"
    );
    assert_eq!(error_of(engine.push(b"x")), Code::InvalidArgument);
}

#[test]
async fn broken_files_have_their_codes() {
    let good = chatting(QWEN2);
    let mut version = good.clone();
    version[4] = 9;
    let mut counts = good.clone();
    counts[8..16].fill(0xff);
    for (file, expected) in [
        (
            &b"<!doctype html><title>Not found</title>"[..],
            "html_not_model",
        ),
        (b"PK\x03\x04 an archive", "not_gguf"),
        (b"", "gguf_truncated"),
        (&good[..1000], "gguf_truncated"),
        (&good[..good.len() - 5000], "gguf_truncated"),
        (&version, "gguf_version"),
        (&counts, "gguf_malformed"),
        (include_bytes!("../fixtures/small.gguf"), "metadata"),
    ] {
        let engine = engine(&json!({}));
        let pushed = engine
            .push(file)
            .and_then(|()| engine.push(b""))
            .map_err(JsValue::from);
        let finished = settled(engine.finish()).await;
        let error = pushed
            .as_ref()
            .err()
            .or(finished.as_ref().err())
            .expect(expected);
        assert_eq!(code(error), expected);
        if let (Err(pushed), Err(finished)) = (&pushed, &finished) {
            assert_eq!(code(pushed), code(finished), "the same error again");
        }
        assert_eq!(
            error_of(engine.start(&request("Hello", 1))),
            Code::NotLoaded
        );
        assert_eq!(
            code(&settled(engine.next()).await.expect_err("no model")),
            "not_loaded"
        );
        assert_eq!(error_of(engine.push(&good)), Code::NotLoaded);
    }

    let engine = engine(&json!({}));
    engine.push(QWEN2).expect("a good file");
    assert_eq!(
        error_of(engine.start(&request("Hello", 1))),
        Code::NotLoaded,
        "not before finish"
    );
    assert_eq!(
        settled(engine.finish()).await.expect("a whole file")["has_chat_template"],
        json!(false)
    );
    assert_eq!(error_of(engine.start(&request("Hello", 1))), Code::Template);
}

#[test]
async fn options_are_checked() {
    for options in [
        json!({"context_tokens": "many"}),
        json!({"context_tokens": -1}),
        json!({"colour": "red"}),
        json!([1]),
        json!({"threads": 0}),
    ] {
        assert_eq!(
            error_of(WasmEngine::new(&js(&options)).map(|_| ())),
            Code::InvalidArgument,
            "{options}"
        );
    }
    let broken = json!({"chat_template": "{% if %}"});
    assert_eq!(
        error_of(WasmEngine::new(&js(&broken)).map(|_| ())),
        Code::Template
    );
    for context_tokens in [0_u32, 513, u32::MAX] {
        let engine = engine(&json!({"context_tokens": context_tokens}));
        assert_eq!(
            error_of(engine.push(QWEN2)),
            Code::InvalidArgument,
            "{context_tokens}"
        );
    }
    let engine = ready().await;
    for request in [
        json!({}),
        json!({"messages": []}),
        json!({"messages": [{"role": "user", "content": "x"}], "max_tokens": 0}),
        json!({"messages": [{"role": "user", "content": "x"}], "temperature": 9}),
        json!({"messages": [{"role": "user", "content": "x"}], "top_q": 1}),
        json!({"messages": [{"role": "stranger", "content": "x"}]}),
        json!("text"),
    ] {
        assert_eq!(
            error_of(engine.start(&js(&request))),
            Code::InvalidArgument,
            "{request}"
        );
    }
    let long = "x".repeat(600);
    assert_eq!(
        error_of(engine.start(&request(&long, 5))),
        Code::ContextFull
    );
}

/// Returns a value that JSON has no form for.
fn value_of(expression: &str) -> JsValue {
    let source = format!("const m = [{{role: 'user', content: 'x'}}]; return {expression};");
    let function = js_sys::Function::new_no_args(&source);
    function
        .call0(&JsValue::UNDEFINED)
        .expect("good JavaScript")
}

#[test]
async fn what_json_cannot_hold_is_refused() {
    let engine = ready().await;
    for request in [
        "{messages: m, temperature: NaN}",
        "{messages: m, top_p: -Infinity}",
        "{messages: m, logit_bias: {7: NaN}}",
        "{messages: m, stop: Symbol('a')}",
        "{messages: m, stop: () => {}}",
        "{messages: new Set(m)}",
        "{messages: m, tools: [m[0].self = m[0]]}",
        "[]",
        "null",
    ] {
        assert_eq!(
            error_of(engine.start(&value_of(request))),
            Code::InvalidArgument,
            "{request}"
        );
    }
    let mut answers = Vec::new();
    for content in ["a\\ud83d", "a\\ufffd"] {
        let request = format!(
            "{{messages: [{{role: 'user', content: '{content}'}}], max_tokens: 3, temperature: 0, \
             top_k: undefined, seed: 2 ** 60}}"
        );
        engine.start(&value_of(&request)).expect("a good request");
        let events = answer(&engine).await;
        let prompt_tokens = events.last().expect("an event")["usage"]["prompt_tokens"].as_u64();
        answers.push((text(&events), prompt_tokens));
    }
    assert_eq!(answers[0], answers[1]);
}

/// A size that a header claims may not fit in the 32 bits that a usize has on wasm.
#[test]
async fn sizes_beyond_32_bits_are_refused() {
    let model = ModelFile::small(siskin::quant::DType::Q8_0).with("llama.context_length", u32::MAX);
    for context_tokens in [1_u32 << 25, 1 << 30, u32::MAX - 1] {
        let engine = engine(&json!({"context_tokens": context_tokens}));
        let pushed = engine.push(&model.to_bytes()).map_err(JsValue::from);
        let error = match pushed {
            Err(error) => error,
            Ok(()) => settled(engine.finish()).await.expect_err("no such memory"),
        };
        assert_eq!(code(&error), "out_of_memory", "{context_tokens}");
    }
}

#[test]
async fn text_survives_tokens() {
    let engine = ready().await;
    let undefined = &JsValue::UNDEFINED;
    for text in [
        "",
        "Hello",
        "grüße, 中文, 👩‍👩‍👧",
        "<|im_end|>",
        "a\0b\r\n\t",
        " \u{fdd0}",
    ] {
        let ids = engine.tokenize(text, undefined).expect("tokens");
        assert_eq!(
            ids.len(),
            text.len(),
            "a byte each, control tokens included"
        );
        assert_eq!(engine.detokenize(&ids).expect("text"), text);
    }
    let special = js(&json!({"special": true}));
    assert_eq!(
        engine.tokenize("<|im_end|>", &special).expect("tokens"),
        [257]
    );
    assert_eq!(
        engine.detokenize(&[256, 104, 105, 257]).expect("text"),
        "<|im_start|>hi<|im_end|>"
    );
    assert_eq!(
        error_of(engine.detokenize(&[104, 384])),
        Code::InvalidArgument
    );
    assert_eq!(
        error_of(engine.tokenize("x", &js(&json!({"special": "yes"})))),
        Code::InvalidArgument
    );
}

#[test]
fn seats_that_no_engine_gave_are_refused() {
    let engine = engine(&json!({}));
    assert_eq!(engine.take_seat(), None);
    for seat in [0, 1, 1 << 20, usize::MAX] {
        assert_eq!(error_of(run_thread(seat)), Code::InvalidArgument);
        assert_eq!(error_of(thread_failed(seat)), Code::InvalidArgument);
    }
}

/// Natively tables compose characters, which `tests/tokenizer.rs` compares with Qwen's tokenizer.
#[test]
fn the_browser_composes_characters_for_qwen() {
    let mut metadata = Metadata::new();
    metadata.insert("tokenizer.ggml.model", "gpt2");
    metadata.insert("tokenizer.ggml.pre", "qwen2");
    let tokens = StringArray::from_iter(["e", "Ã", "©", "Ì", "ģ"]);
    metadata.insert("tokenizer.ggml.tokens", tokens);
    metadata.insert("tokenizer.ggml.token_type", vec![1; 5]);
    metadata.insert("tokenizer.ggml.merges", StringArray::default());
    let tokenizer = Tokenizer::from_metadata(&metadata).expect("a vocabulary");
    for text in ["e\u{301}", "\u{e9}"] {
        assert_eq!(tokenizer.encode(text, Special::Plain), [1, 2]);
    }
}
