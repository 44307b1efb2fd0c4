//! Answers that are held to a form fit it, whatever the model would rather write, and a choice has
//! the probabilities of its tokens. The models have random weights, so they write no form of
//! themselves.

mod support;

use serde_json::{Value, json};
use siskin::{
    Code, Result,
    generate::event::{Event, FinishReason},
    loader::Options,
    session::{
        Session,
        engine::{AnyLoader, Pool},
        request::ChatRequest,
    },
    text::tokenizer::Special,
};
use support::{
    chat_model::{chatting, with_context},
    random::Random,
    schema::{fits, random_schema},
    tiny::QWEN35,
};

const MODEL: &str = "tests/fixtures/models/chat-tiny.gguf";

fn session() -> Session {
    let options = Options {
        context_tokens: Some(2048),
        ..Options::default()
    };
    let mut loader = AnyLoader::cpu(options, Pool::new(1));
    let model = with_context(&std::fs::read(MODEL).unwrap(), 2048);
    loader.push(&model).unwrap();
    loader.finish().unwrap().into()
}

/// Makes a session of a model whose layers have states, which cannot be cut.
fn session_of_states() -> Session {
    let mut loader = AnyLoader::cpu(Options::default(), Pool::new(1));
    loader.push(&chatting(QWEN35.1)).unwrap();
    loader.finish().unwrap().into()
}

fn request(fields: &Value) -> Result<ChatRequest> {
    let mut request = json!({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 600});
    let all = request.as_object_mut().unwrap();
    all.extend(fields.as_object().unwrap().clone());
    ChatRequest::from_json(&request.to_string())
}

fn events(session: &mut Session, fields: &Value) -> Result<Vec<Event>> {
    session.start(request(fields)?)?;
    std::iter::from_fn(|| pollster::block_on(session.next()).transpose()).collect()
}

/// Returns the answer's text, and its last event.
fn answer(session: &mut Session, fields: &Value) -> (String, Event) {
    let events = events(session, fields).unwrap_or_else(|error| panic!("{fields}: {error}"));
    let text = events.iter().map(|event| event.text.as_str()).collect();
    (text, events.last().unwrap().clone())
}

fn schema_format(schema: &Value) -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": true}})
}

#[test]
fn answers_fit_the_schema_at_any_temperature() {
    let (mut session, mut random) = (session(), Random::new(5));
    let mut cut = 0;
    for i in 0..60 {
        let schema = random_schema(&mut random, 3);
        let temperature = [0.0, 0.8, 1.5, 2.0][i % 4];
        let fields = json!({
            "response_format": schema_format(&schema), "temperature": temperature, "seed": i,
        });
        let (text, last) = answer(&mut session, &fields);
        match last.finish_reason {
            Some(FinishReason::Stop) => {
                let value: Value = serde_json::from_str(&text)
                    .unwrap_or_else(|error| panic!("{schema}: {error} in {text}"));
                assert!(fits(&value, &schema, &schema), "{schema}: {text}");
            }
            reason => {
                assert_eq!(reason, Some(FinishReason::Length), "{schema}: {text}");
                assert_eq!(last.usage.unwrap().completion_tokens, 600);
                cut += 1;
            }
        }
    }
    assert!(cut < 10, "{cut} answers were cut");
}

#[test]
fn the_validator_of_these_tests_refuses_what_does_not_fit() {
    let schema = json!({
        "type": "object", "properties": {"a": {"type": "integer", "maximum": 3}},
        "required": ["a"], "additionalProperties": false,
    });
    for (value, is_right) in [
        (json!({"a": 3}), true),
        (json!({"a": 4}), false),
        (json!({"a": 2.5}), false),
        (json!({}), false),
        (json!({"a": 1, "b": 1}), false),
        (json!([]), false),
    ] {
        assert_eq!(fits(&value, &schema, &schema), is_right, "{value}");
    }
}

#[test]
fn a_json_object_a_regex_and_a_grammar_hold_an_answer() {
    let mut session = session();
    let fields = json!({
        "response_format": {"type": "json_object"}, "temperature": 1.5, "seed": 1,
        "logit_bias": {"93": 12}, "max_tokens": 400,
    });
    let (text, last) = answer(&mut session, &fields);
    assert!(text.starts_with('{'), "{text}");
    if last.finish_reason == Some(FinishReason::Stop) {
        assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
    }
    for seed in 0..10 {
        let fields = json!({"regex": "[a-c]{2,5}-[0-9]{3}", "temperature": 1.5, "seed": seed});
        let (text, last) = answer(&mut session, &fields);
        assert_eq!(last.finish_reason, Some(FinishReason::Stop));
        let (letters, digits) = text.split_once('-').unwrap();
        assert!((2..=5).contains(&letters.len()) && letters.bytes().all(|b| b"abc".contains(&b)));
        assert!(
            digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()),
            "{text}"
        );
        let grammar = "start: \"(\" start \")\" | \"x\"\n";
        let fields = json!({"grammar": grammar, "temperature": 1.5, "seed": seed});
        let (text, _) = answer(&mut session, &fields);
        let depth = text.bytes().filter(|&byte| byte == b'(').count();
        let expected = format!("{}x{}", "(".repeat(depth), ")".repeat(depth));
        assert!(expected.starts_with(&text), "{text}");
    }
}

/// A text that leaves no choice needs no step but the one that reads the prompt's last token.
#[test]
fn what_is_certain_is_read_in_one_step() {
    let mut session = session();
    let schema = json!({"const": {"merchant": "Corner shop", "paid": true}});
    let fields = json!({"response_format": schema_format(&schema)});
    let events = events(&mut session, &fields).unwrap();
    let text: String = events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(text, r#"{"merchant": "Corner shop", "paid": true}"#);
    assert!(
        events.iter().all(|event| event.prefill.is_none()),
        "no step was taken"
    );
    // With log-probabilities every token has one.
    let fields = json!({"response_format": schema_format(&schema), "logprobs": true});
    let (again, _) = answer(&mut session, &fields);
    assert_eq!(again, text);
}

#[test]
fn logprobs_stop_limits_and_seeds_work_as_always() {
    let mut session = session();
    let schema = json!({"type": "array", "items": {"type": "integer", "maximum": 9, "minimum": 0},
                        "minItems": 8, "maxItems": 8});
    let base = json!({"response_format": schema_format(&schema), "seed": 3, "temperature": 1.5});
    let with = |more: Value| {
        let mut fields = base.clone();
        let all = fields.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        fields
    };
    let (text, last) = answer(&mut session, &base);
    assert_eq!(last.finish_reason, Some(FinishReason::Stop));
    assert_eq!(
        answer(&mut session, &base).0,
        text,
        "the same seed, the same text"
    );
    assert_eq!(answer(&mut session, &with(json!({"draft_max": 0}))).0, text);
    let all = events(
        &mut session,
        &with(json!({"logprobs": true, "top_logprobs": 2})),
    )
    .unwrap();
    let logprobs = all.iter().filter_map(|event| event.logprob.as_ref());
    let bytes: usize = logprobs.map(|logprob| logprob.chosen.bytes.len()).sum();
    let text: String = all.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(bytes, text.len());
    let (cut, last) = answer(&mut session, &with(json!({"max_tokens": 5})));
    assert_eq!(last.finish_reason, Some(FinishReason::Length));
    assert_eq!(cut.len(), 5);
    let (stopped, last) = answer(&mut session, &with(json!({"stop": ","})));
    assert_eq!(last.finish_reason, Some(FinishReason::Stop));
    assert_eq!(stopped.len(), 2);
    let digits: Vec<u32> = "[]0, ".bytes().map(u32::from).collect();
    let (zeros, _) = answer(&mut session, &with(json!({"allowed_token_ids": digits})));
    assert_eq!(zeros, "[0, 0, 0, 0, 0, 0, 0, 0]");
    let none = events(&mut session, &with(json!({"allowed_token_ids": [65]}))).unwrap_err();
    assert_eq!(none.code, Code::InvalidArgument);
    // And the session goes on.
    assert_eq!(
        answer(&mut session, &with(json!({"draft_max": 0})))
            .1
            .finish_reason,
        last.finish_reason
    );
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let mut session = session();
    let object = |schema: Value| json!({"type": "object", "properties": {"a": schema}});
    for (schema, named) in [
        (json!({"not": {"type": "string"}}), "schema.not`"),
        (object(json!({"if": true, "then": false})), "schema.if`"),
        (
            object(json!({"type": "array", "uniqueItems": true})),
            "schema.uniqueItems`",
        ),
        (
            object(json!({"type": "string", "format": "no-such"})),
            "schema.format`",
        ),
        (json!({"$ref": "https://example.com/x"}), "schema.$ref`"),
        (
            json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}),
            "schema.oneOf`",
        ),
        (json!({"type": "strnig"}), "schema`"),
        (json!({"type": "string", "pattern": "("}), "schema`"),
        (
            json!({"type": "integer", "minimum": 5, "maximum": 4}),
            "schema`",
        ),
        (json!(false), "schema`"),
    ] {
        let error = events(
            &mut session,
            &json!({"response_format": schema_format(&schema)}),
        );
        let error = error.expect_err(&schema.to_string());
        assert_eq!(error.code, Code::InvalidArgument, "{error}");
        let message = error.message;
        assert!(
            message.starts_with("`response_format.json_schema.schema") && message.contains(named),
            "{schema}: {message}"
        );
    }
    for (fields, named) in [
        (json!({"regex": "("}), "`regex`"),
        (json!({"grammar": "start: nothing"}), "`grammar`"),
        (json!({"grammar": "nonsense"}), "`grammar`"),
        (json!({"regex": "a", "choice": ["b"]}), "`choice`"),
        (json!({"choice": []}), "`choice`"),
        (json!({"choice": ["a"], "temperature": 7}), "`temperature`"),
        (json!({"choice": ["a", ""]}), "`choice[1]`"),
        (json!({"choice": ["a", "b", "a"]}), "`choice[2]`"),
        (json!({"choice": ["long ".repeat(300)]}), "`choice`"),
    ] {
        let error = events(&mut session, &fields).expect_err(&fields.to_string());
        assert_eq!(error.code, Code::InvalidArgument, "{error}");
        assert!(error.message.contains(named), "{fields}: {error}");
    }
}

/// Forms that would take very long, or very much memory, are refused or end.
#[test]
fn no_form_hangs() {
    let mut session = session();
    let mut nested = json!({"type": "string"});
    for _ in 0..90 {
        nested = json!({"type": "array", "items": nested, "minItems": 1});
    }
    let many: Vec<String> = (0..3000).map(|i| format!("value number {i}")).collect();
    let wide: Vec<Value> = (0..200)
        .map(|i| json!({"type": "object", "properties": {format!("p{i}"): {"pattern": "a.*b.*c"}}}))
        .collect();
    let begin = std::time::Instant::now();
    for fields in [
        json!({"response_format": schema_format(&nested)}),
        json!({"response_format": schema_format(&json!({"enum": many}))}),
        json!({"response_format": schema_format(&json!({"anyOf": wide}))}),
        json!({"response_format": schema_format(&json!({"type": "string", "maxLength": 100_000_000}))}),
        json!({"response_format": schema_format(&json!({"type": "array", "minItems": 100_000_000}))}),
        json!({"regex": "(a|aa)*b{1,1000}(x|y|z|xy){1,300}"}),
        json!({"regex": "(.*a){30}"}),
        json!({"regex": "((a{1,100}){1,100}){1,100}"}),
        json!({"regex": "x".repeat(300_000)}),
        json!({"grammar": "start: start start | \"a\" | \"\""}),
        json!({"grammar": "start: a*\na: b*\nb: \"x\"*"}),
    ] {
        let mut fields = fields;
        fields["max_tokens"] = json!(20);
        match events(&mut session, &fields) {
            Ok(events) => assert!(events.last().unwrap().finish_reason.is_some()),
            Err(error) => assert_eq!(error.code, Code::InvalidArgument, "{error}"),
        }
        let seconds = begin.elapsed().as_secs_f64();
        let what: String = fields.to_string().chars().take(100).collect();
        assert!(seconds < 30.0, "{what}: {seconds} seconds");
    }
}

/// The probabilities are the products of those of the tokens, which a score gives.
#[test]
fn a_choice_has_the_probabilities_of_its_tokens() {
    check_choice(session());
    check_choice(session_of_states());
}

fn check_choice(mut session: Session) {
    let labels = [
        "billing",
        "bill",
        "sales",
        "technical support",
        "b",
        "\u{fc}ber",
    ];
    let fields = json!({"choice": labels});
    let (text, last) = answer(&mut session, &fields);
    let choice = last.choice.unwrap();
    let prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    let prompt = session.tokenize(prompt, Special::Parse);
    let expected: Vec<f64> = labels
        .iter()
        .map(|label| {
            let label = session.tokenize(label, Special::Plain);
            let tokens = [&prompt[..], &label].concat();
            let score = pollster::block_on(session.score(&tokens, 1)).unwrap();
            let of_label = &score.log_probabilities[prompt.len() - 1..];
            of_label.iter().map(|&logprob| f64::from(logprob)).sum()
        })
        .collect();
    let sum: f64 = expected.iter().map(|logprob| logprob.exp()).sum();
    for (i, (found, logprob)) in choice.iter().zip(&expected).enumerate() {
        assert_eq!(found.label, labels[i]);
        assert!(
            (found.logprob - logprob).abs() < 1e-3,
            "{found:?}: {logprob}"
        );
        let probability = logprob.exp() / sum;
        assert!(
            (found.probability - probability).abs() < 1e-4,
            "{found:?}: {probability}"
        );
    }
    let total: f64 = choice.iter().map(|label| label.probability).sum();
    assert!((total - 1.0).abs() < 1e-9, "{total}");
    let best = choice.iter().max_by(|a, b| a.logprob.total_cmp(&b.logprob));
    assert_eq!(text, best.unwrap().label);
    assert_eq!(last.finish_reason, Some(FinishReason::Stop));
    assert_eq!(last.usage.unwrap().prompt_tokens, prompt.len());
    // The order of the labels changes nothing but their order.
    let mut reversed = labels;
    reversed.reverse();
    let (_, last) = answer(&mut session, &json!({"choice": reversed}));
    for (a, b) in last.choice.unwrap().iter().rev().zip(&choice) {
        assert!((a.probability - b.probability).abs() < 1e-6, "{a:?} {b:?}");
    }
}

#[test]
fn a_choice_can_be_stopped_and_another_answer_follows() {
    let mut session = session();
    session
        .start(request(&json!({"choice": ["a", "b"]})).unwrap())
        .unwrap();
    let busy = session.start(request(&json!({})).unwrap()).unwrap_err();
    assert_eq!(busy.code, Code::Busy);
    session.stop();
    let event = pollster::block_on(session.next()).unwrap().unwrap();
    assert_eq!(event.finish_reason, Some(FinishReason::Abort));
    assert_eq!(event.choice, None);
    let (text, _) = answer(&mut session, &json!({"regex": "yes"}));
    assert_eq!(text, "yes");
}

/// Loads a real model, by the name of its file.
fn real_session(name: &str) -> Option<Session> {
    let path = support::model_path::model_path(name)?;
    let options = Options {
        context_tokens: Some(1024),
        ..Options::default()
    };
    let mut loader = AnyLoader::cpu(options, Pool::new(2));
    loader.push(&std::fs::read(path).unwrap()).unwrap();
    Some(loader.finish().unwrap().into())
}

/// A sample of what `SISKIN_STRUCTURED=200 cargo test --release --test grammar real_answers` does
/// for 200 schemas and 3 seeds, whose lines `node scripts/structured.mjs` checks by ajv.
#[test]
fn real_answers_fit_their_schemas() {
    let Some(mut session) = real_session("SmolLM2-135M-Instruct.Q4_1.gguf") else {
        return;
    };
    let all = std::env::var("SISKIN_STRUCTURED");
    let (schemas, seeds) = match &all {
        Ok(count) => (count.parse().unwrap(), 3),
        Err(_) => (3, 1),
    };
    let (mut random, mut lines, mut cut) = (Random::new(11), String::new(), 0);
    for i in 0..schemas {
        let schema = random_schema(&mut random, 3);
        for seed in 0..seeds {
            let fields = json!({
                "messages": [{"role": "user", "content": "Describe a shop as JSON."}],
                "response_format": schema_format(&schema), "temperature": 1.5, "seed": seed,
                "max_tokens": 300,
            });
            let (text, last) = answer(&mut session, &fields);
            let is_cut = last.finish_reason == Some(FinishReason::Length);
            cut += usize::from(is_cut);
            if !is_cut {
                let value: Value = serde_json::from_str(&text)
                    .unwrap_or_else(|error| panic!("{i}: {error}: {text}"));
                assert!(fits(&value, &schema, &schema), "{schema}: {text}");
            }
            let line = json!({"schema": schema, "text": text, "cut": is_cut});
            lines.push_str(&format!("{line}\n"));
        }
    }
    println!("{} answers, of which {cut} were cut", schemas * seeds);
    if all.is_ok() {
        std::fs::write("target/structured.jsonl", lines).unwrap();
    }
}
