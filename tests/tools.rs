//! Calls of tools are read from any text, whole or in pieces, and held to the tools' schemas.

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use siskin::{
    Code, Result,
    generate::event::{Event, FinishReason, ToolCallDelta},
    loader::Options,
    session::{
        Session,
        engine::{AnyLoader, Pool},
        request::ChatRequest,
    },
    text::output::{
        OutputForm, OutputParser, ThoughtStyle,
        piece::{Piece, ThoughtsBegin, ToolCall},
        tool_format::ToolFormat,
    },
};
use support::{chat_model::with_context, schema::fits};

const FORMATS: [ToolFormat; 3] = [ToolFormat::Hermes, ToolFormat::Llama3, ToolFormat::Pythonic];
const HERMES: &str = "{% if tools %}<tool_call> {{ tools | tojson }}{% endif %}";
const LLAMA3: &str = "{% if tools %}{\"name\": , \"parameters\"} {{ tools | tojson }}{% endif %}";
const PYTHONIC: &str = "{% if tools %}[func_name1( {{ tools | tojson }}{% endif %}";

/// Holds what a text has: content, thoughts and calls.
#[derive(Debug, Default, PartialEq)]
struct Read {
    content: String,
    reasoning: String,
    calls: Vec<(String, String)>,
}

fn read<'a>(form: OutputForm, pieces: impl IntoIterator<Item = &'a str>) -> Read {
    let mut parser = OutputParser::new(form);
    let mut found: Vec<Piece> = pieces
        .into_iter()
        .flat_map(|text| parser.push(text))
        .collect();
    found.extend(parser.finish());
    let mut read = Read::default();
    for piece in found {
        match piece {
            Piece::Content(text) => read.content.push_str(&text),
            Piece::Reasoning(text) => read.reasoning.push_str(&text),
            Piece::Call(ToolCall { name, arguments }) => read.calls.push((name, arguments)),
        }
    }
    read
}

fn with_tools(format: ToolFormat) -> OutputForm {
    OutputForm {
        tools: Some(format),
        ..OutputForm::default()
    }
}

#[test]
fn calls_are_read_in_every_format() {
    let call = |name: &str, arguments: &str| (name.to_owned(), arguments.to_owned());
    for (format, text, content, calls) in [
        (
            ToolFormat::Hermes,
            "Let me look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n\
             <tool_call>\n{\"name\": \"g\", \"arguments\": \"{}\"}\n</tool_call>",
            "Let me look.",
            vec![call("f", "{\"a\":1}"), call("g", "{}")],
        ),
        // A tag in a string does not end a call, and the end of the answer does.
        (
            ToolFormat::Hermes,
            "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>\"}}",
            "",
            vec![call("f", "{\"a\":\"</tool_call>\"}")],
        ),
        (
            ToolFormat::Hermes,
            "<tool_call>{\"name\": f}</tool_call> <tool",
            "<tool_call>{\"name\": f}</tool_call> <tool",
            vec![],
        ),
        (ToolFormat::Hermes, "1 < 2 <b>", "1 < 2 <b>", vec![]),
        (
            ToolFormat::Llama3,
            "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": [null]}}; \
             {\"name\": \"g\", \"parameters\": {}}",
            "",
            vec![call("f", "{\"a\":[null]}"), call("g", "{}")],
        ),
        (
            ToolFormat::Llama3,
            "{\"name\": \"f\"}",
            "{\"name\": \"f\"}",
            vec![],
        ),
        (ToolFormat::Llama3, "No {\"name\"}", "No {\"name\"}", vec![]),
        (
            ToolFormat::Pythonic,
            "[f(a=1, b='x\\'\\n', c=[True, None, {\"k\": -2.5}]), g()]",
            "",
            vec![
                call(
                    "f",
                    "{\"a\":1,\"b\":\"x'\\n\",\"c\":[true,null,{\"k\":-2.5}]}",
                ),
                call("g", "{}"),
            ],
        ),
        (
            ToolFormat::Pythonic,
            "<|tool_call_start|>[f(a=\"\\u00fc\\ud83d\\udc26\")]<|tool_call_end|>",
            "",
            vec![call("f", "{\"a\":\"ü🐦\"}")],
        ),
        (
            ToolFormat::Pythonic,
            "<|tool_call_start|>[f(a=\"<|tool_call_end|>\")]<|tool_call_end|>\nI am looking.",
            "I am looking.",
            vec![call("f", "{\"a\":\"<|tool_call_end|>\"}")],
        ),
        (
            ToolFormat::Pythonic,
            "[f()] is a call.",
            "[f()] is a call.",
            vec![],
        ),
        (ToolFormat::Pythonic, "[1] says so", "[1] says so", vec![]),
        (ToolFormat::Pythonic, "[f(a=)]", "[f(a=)]", vec![]),
    ] {
        let found = read(with_tools(format), [text]);
        let expected = Read {
            content: content.to_owned(),
            calls,
            ..Read::default()
        };
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn thoughts_stand_before_the_answer() {
    let form = |thoughts| OutputForm {
        thoughts: Some(thoughts),
        tools: Some(ToolFormat::Hermes),
        ..OutputForm::default()
    };
    for (begin, text, reasoning, content) in [
        (
            ThoughtsBegin::Written,
            "<think>\nHm.\n</think>\n\nYes.",
            "Hm.",
            "Yes.",
        ),
        (ThoughtsBegin::Written, "Yes <think>", "", "Yes <think>"),
        (
            ThoughtsBegin::InPrompt,
            "Hm.\n\nHm </th> <tool_call></think>No",
            "Hm.\n\nHm </th> <tool_call>",
            "No",
        ),
        (
            ThoughtsBegin::InPrompt,
            "Hm, and no end",
            "Hm, and no end",
            "",
        ),
        (ThoughtsBegin::Written, "<think></think>", "", ""),
    ] {
        let found = read(form(begin), [text]);
        assert_eq!(
            (&found.reasoning[..], &found.content[..]),
            (reasoning, content),
            "{text}"
        );
    }
    let gemma = OutputForm {
        style: ThoughtStyle::Channel,
        ..form(ThoughtsBegin::Written)
    };
    for (text, reasoning, content) in [
        ("<|channel>thought\nHm.\n<channel|>Yes.", "Hm.", "Yes."),
        ("<|channel>thought\n<channel|>Yes.", "", "Yes."),
        ("<|channel>th", "", "<|channel>th"),
        ("<think>", "", "<think>"),
    ] {
        let found = read(gemma, text.split_inclusive(['>', 'H']).collect::<Vec<_>>());
        assert_eq!(
            (&found.reasoning[..], &found.content[..]),
            (reasoning, content),
            "{text}"
        );
    }
}

/// Returns text that is often nearly a call.
fn texts() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "{\"name\": \"f\", \"arguments\": {",
        "\"a\": 1",
        "}}",
        "{",
        "}",
        "[",
        "]",
        "f(",
        "a=",
        "1",
        ")",
        ", ",
        "'",
        "\"",
        "\\u00",
        "\\",
        "ü",
        "🐦",
        " ",
        "\n",
        "<|python_tag|>",
        "<|tool_call_start|>",
        "<|tool_call_end|>",
        "None",
        "[f(a=1), ",
        "g(b=[{\"x\": '1'}])]",
        "; ",
        "<",
        "</",
        "text",
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>",
    ]);
    prop_oneof![
        prop::collection::vec(words, 0..20).prop_map(|words| words.concat()),
        ".{0,60}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    /// Pieces of any length give what the whole text gives, and none of it panics or gets lost.
    #[test]
    fn pieces_give_what_the_whole_gives(
        text in texts(), cuts in prop::collection::vec(0usize..200, 0..8), which in 0usize..3,
        thoughts in prop::option::of(any::<bool>()),
    ) {
        let form = OutputForm {
            tools: Some(FORMATS[which]),
            thoughts: thoughts.map(|written| match written {
                true => ThoughtsBegin::Written,
                false => ThoughtsBegin::InPrompt,
            }),
            ..OutputForm::default()
        };
        let mut cuts: Vec<usize> = cuts
            .into_iter()
            .map(|cut| cut.min(text.len()))
            .filter(|&cut| text.is_char_boundary(cut))
            .collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
        let whole = read(form, [&text[..]]);
        prop_assert_eq!(&read(form, pieces), &whole);
        for (_, arguments) in &whole.calls {
            prop_assert!(serde_json::from_str::<Value>(arguments).unwrap().is_object());
        }
        if thoughts.is_none() && whole.calls.is_empty() {
            prop_assert_eq!(whole.content.trim(), text.trim());
        }
    }
}

fn session(template: &str) -> Session {
    let options = Options {
        context_tokens: Some(4096),
        chat_template: Some(format!("{template}{}", support::chat::CHATML)),
        ..Options::default()
    };
    let mut loader = AnyLoader::cpu(options, Pool::new(1));
    let model = std::fs::read("tests/fixtures/models/chat-tiny.gguf").unwrap();
    loader.push(&with_context(&model, 4096)).unwrap();
    loader.finish().unwrap().into()
}

fn tools() -> Value {
    let parameters = json!({
        "type": "object", "additionalProperties": false, "required": ["city", "unit"],
        "properties": {
            "city": {"type": "string", "maxLength": 8}, "days": {"type": "integer", "minimum": 1, "maximum": 14},
            "unit": {"enum": ["C", "F"]}, "place": {"$ref": "#/$defs/d"},
        },
        "$defs": {"d": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}},
    });
    json!([
        {"type": "function", "function": {"name": "get_weather", "parameters": parameters}},
        {"type": "function", "function": {"name": "now"}},
        {"type": "function", "function": {"name": "add", "strict": true, "parameters": {
            "type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}},
            "required": ["a"], "additionalProperties": false}}},
    ])
}

fn events(session: &mut Session, fields: &Value) -> Result<Vec<Event>> {
    let mut request = json!({
        "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 500, "tools": tools(),
    });
    let all = request.as_object_mut().unwrap();
    all.extend(fields.as_object().unwrap().clone());
    session.start(ChatRequest::from_json(&request.to_string())?)?;
    std::iter::from_fn(|| pollster::block_on(session.next()).transpose()).collect()
}

/// Checks that the calls name tools and fit their schemas.
fn check_calls(calls: &[&ToolCallDelta]) {
    for (i, call) in calls.iter().enumerate() {
        assert_eq!((call.index, call.kind), (i, "function"));
        assert!(call.id.starts_with("call_"));
        let arguments: Value = serde_json::from_str(&call.function.arguments).unwrap();
        let all = tools();
        let tool = (all.as_array().unwrap().iter())
            .find(|tool| tool["function"]["name"] == call.function.name)
            .unwrap_or_else(|| panic!("{call:?}"));
        match tool["function"].get("parameters") {
            Some(schema) => assert!(fits(&arguments, schema, schema), "{call:?}"),
            None => assert_eq!(arguments, json!({})),
        }
    }
}

#[test]
fn required_calls_fit_their_schemas_in_every_format() {
    for template in [HERMES, LLAMA3, PYTHONIC] {
        let mut session = session(template);
        let mut names = Vec::new();
        for seed in 0..12 {
            let fields = json!({"tool_choice": "required", "temperature": 1.5, "seed": seed,
                                "parallel_tool_calls": seed % 2 == 0});
            let events = events(&mut session, &fields).unwrap();
            let last = events.last().unwrap();
            let calls: Vec<_> = events.iter().flat_map(|event| &event.tool_calls).collect();
            check_calls(&calls);
            if last.finish_reason == Some(FinishReason::Length) {
                continue;
            }
            assert_eq!(
                last.finish_reason,
                Some(FinishReason::ToolCalls),
                "{template}"
            );
            assert!(!calls.is_empty() && (seed % 2 == 0 || calls.len() == 1));
            let text: String = events.iter().map(|event| event.text.as_str()).collect();
            assert_eq!(text, "", "{template}");
            names.extend(calls.iter().map(|call| call.function.name.clone()));
        }
        assert!(names.len() > 4, "{template}: {names:?}");
        let named = json!({"type": "function", "function": {"name": "add"}});
        let events = events(&mut session, &json!({"tool_choice": named, "seed": 1})).unwrap();
        let mut calls = events.iter().flat_map(|event| &event.tool_calls).peekable();
        assert!(calls.peek().is_some());
        assert!(calls.all(|call| call.function.name == "add"));
    }
}

/// The model writes what it likes until it begins a call, which is then held.
#[test]
fn a_call_that_the_model_begins_is_held() {
    let mut session = session(LLAMA3);
    // The tiny model would hardly begin a call of itself.
    let fields = json!({"logit_bias": {"123": 100}, "temperature": 1.0, "seed": 2});
    let held = events(&mut session, &fields).unwrap();
    let calls: Vec<_> = held.iter().flat_map(|event| &event.tool_calls).collect();
    check_calls(&calls);
    assert_eq!(calls.len(), 1);
    assert_eq!(
        held.last().unwrap().finish_reason,
        Some(FinishReason::ToolCalls)
    );
    let fields = json!({"logit_bias": {"65": 100}, "max_tokens": 9});
    let free = events(&mut session, &fields).unwrap();
    let text: String = free.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(text, "AAAAAAAAA");
    assert_eq!(
        free.last().unwrap().finish_reason,
        Some(FinishReason::Length)
    );
}

#[test]
fn thoughts_are_bounded_and_switched_off() {
    let thinking = "{% if 0 %}</think>{% endif %}";
    let begun = format!("{thinking}{}", support::chat::CHATML);
    let options = Options {
        context_tokens: Some(1024),
        chat_template: Some(begun.replace("assistant\\n'", "assistant\\n<think>\\n'")),
        ..Options::default()
    };
    let mut loader = AnyLoader::cpu(options, Pool::new(1));
    let model = std::fs::read("tests/fixtures/models/chat-tiny.gguf").unwrap();
    loader.push(&with_context(&model, 4096)).unwrap();
    let mut session: Session = loader.finish().unwrap().into();
    let mut ask = |fields: Value| {
        let mut all = json!({"tools": null, "logit_bias": {"65": 100}, "max_tokens": 40});
        all.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let events = events(&mut session, &all).unwrap();
        let join = |of: fn(&Event) -> &str| events.iter().map(of).collect::<String>();
        (
            join(|event| &event.reasoning_content),
            join(|event| &event.text),
        )
    };
    let (reasoning, text) = ask(json!({}));
    assert_eq!((reasoning.len(), text.len()), (40, 0));
    let (reasoning, text) = ask(json!({"reasoning_budget": 7}));
    assert_eq!((&reasoning[..], text.trim_matches('A')), ("AAAAAAA", ""));
    assert!(text.len() > 10, "{text}");
    let (reasoning, text) = ask(json!({"reasoning_effort": "none"}));
    assert_eq!(reasoning, "");
    assert!(text.len() > 10, "{text}");
    // A form holds what follows the thoughts.
    let (reasoning, text) = ask(json!({"reasoning_budget": 3, "regex": "yes|no"}));
    assert_eq!(reasoning, "AAA");
    assert!(["yes", "no"].contains(&&text[..]), "{text}");
}

#[test]
fn tool_options_are_checked() {
    let mut session = session(HERMES);
    let tool = |function: Value| json!([{"type": "function", "function": function}]);
    for (fields, named) in [
        (
            json!({"tools": [{"type": "function"}]}),
            "`tools[0].function`",
        ),
        (
            json!({"tools": tool(json!({"name": ""}))}),
            "`tools[0].function.name`",
        ),
        (
            json!({"tools": tool(json!({"name": "a b"}))}),
            "`tools[0].function.name`",
        ),
        (
            json!({"tools": tool(json!({"name": "f", "parameters": 1}))}),
            "`tools[0].function.parameters`",
        ),
        (
            json!({"tools": tool(json!({"name": "f", "parameters": {"not": {}}}))}),
            "`tools",
        ),
        (
            json!({"tools": [], "tool_choice": "required"}),
            "`tool_choice`",
        ),
        (json!({"tool_choice": "any"}), "`tool_choice`"),
        (
            json!({"tool_choice": {"type": "function", "function": {"name": "h"}}}),
            "`tool_choice`",
        ),
        (json!({"parallel_tool_calls": 1}), "`parallel_tool_calls`"),
        (
            json!({"response_format": {"type": "json_object"}}),
            "`response_format`",
        ),
        (json!({"reasoning_effort": "much"}), "`reasoning_effort`"),
        (json!({"reasoning_budget": -1}), "`reasoning_budget`"),
    ] {
        let error = events(&mut session, &fields).expect_err(&fields.to_string());
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains(named), "{fields}: {error}");
    }
}
