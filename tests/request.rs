//! Requests have OpenAI's shape, and say what is wrong with them.

mod support;

use serde_json::{Value, json};
use siskin::{
    Code,
    generate::{options::ContextOverflow, sampler::SamplingOptions},
    session::{Session, request::ChatRequest},
    text::template::ChatTemplate,
};
use support::chat::{
    CHATML, START, answer, chat, decoder, session, tokenizer, transcript, with_fields,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_request_takes_openais_names() {
    let request = ChatRequest::from_json(
        r#"{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5,
            "temperature": 0.5, "top_k": 3, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.1,
            "frequency_penalty": 0.2, "presence_penalty": 0.3, "logit_bias": {"7": -100},
            "allowed_token_ids": [7, 9], "seed": -1, "logprobs": true, "top_logprobs": 4,
            "stop": ["a", "b"], "context_overflow": "slide", "draft_max": 6,
            "continue_final_message": false, "tools": []}"#,
    )
    .unwrap();
    let expected = SamplingOptions {
        repetition_penalty: 1.1,
        frequency_penalty: 0.2,
        presence_penalty: 0.3,
        logit_bias: [(7, -100.0)].into(),
        temperature: 0.5,
        top_k: 3,
        top_p: 0.9,
        min_p: 0.1,
        seed: Some(u64::MAX),
        allowed_tokens: Some(vec![7, 9]),
        top_logprobs: Some(4),
    };
    assert_eq!(request.sampling, expected);
    assert_eq!(
        (
            request.max_tokens,
            request.stop.len(),
            request.context_overflow,
            request.draft_max
        ),
        (Some(5), 2, ContextOverflow::Slide, Some(6))
    );
    assert_eq!(request.tools.shown, None);
    let alone = ChatRequest::from_json(
        r#"{"messages": [{"role": "user", "content": "Hi"}], "top_logprobs": 4}"#,
    );
    assert_eq!(alone.unwrap_err().code, Code::InvalidArgument);
    let bare = ChatRequest::from_json(
        r#"{"messages": [{"role": "user", "content": "Hi"}], "temperature": null}"#,
    )
    .unwrap();
    assert_eq!(bare.sampling, SamplingOptions::default());
}

/// The fields are those of OpenAI's API reference ("Create chat completion").
#[test]
fn fields_that_change_nothing_are_taken() {
    let all = json!({
        "n": 1, "user": "u-1", "safety_identifier": "s", "prompt_cache_key": "p", "store": true,
        "metadata": {"page": "start"}, "service_tier": "auto", "parallel_tool_calls": false,
        "response_format": {"type": "text"}, "tool_choice": "auto",
    });
    let plain = with_fields(&json!({})).unwrap();
    let request = with_fields(&all).unwrap();
    assert_eq!(request.sampling, plain.sampling);
    assert_eq!((request.max_tokens, request.tools.shown), (None, None));
    for name in all.as_object().unwrap().keys() {
        assert!(with_fields(&json!({ name: null })).is_ok(), "{name}: null");
        let wrong = if name == "metadata" || name == "response_format" {
            json!("x")
        } else {
            json!({"x": 1})
        };
        let error = with_fields(&json!({ name: wrong })).unwrap_err();
        assert!(
            error.code == Code::InvalidArgument && error.message.contains(name.as_str()),
            "{name}: {error}"
        );
    }
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let schema = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": 1}});
    let named = json!({"type": "function", "function": {"name": "f"}});
    let tool = named.clone();
    for (field, named) in [
        (json!({"n": 2}), "`n` is 2"),
        (json!({"n": 0}), "`n` is 0"),
        (json!({"n": 1.5}), "`n`"),
        (json!({"response_format": schema}), "json_schema"),
        (
            json!({"response_format": {"type": "json"}}),
            "`response_format.type`",
        ),
        (json!({"response_format": {}}), "`response_format.type`"),
        (json!({"tool_choice": "required"}), "required"),
        (json!({"tool_choice": named}), "`tool_choice`"),
        (json!({"tool_choice": "f"}), "`tool_choice`"),
        (
            json!({"max_tokens": 5, "max_completion_tokens": 6}),
            "`max_completion_tokens`",
        ),
        (
            json!({"tools": [tool], "response_format": {"type": "json_object"}}),
            "`tools`",
        ),
        (json!({"tools": [tool], "choice": ["a"]}), "`tools`"),
    ] {
        let error = with_fields(&field).unwrap_err();
        assert!(
            error.code == Code::InvalidArgument && error.message.contains(named),
            "{field}: {error}"
        );
    }
}

#[test]
fn the_limit_of_an_answer_has_two_names() {
    for (fields, limit) in [
        (json!({"max_completion_tokens": 5}), Some(5)),
        (
            json!({"max_tokens": 5, "max_completion_tokens": 5}),
            Some(5),
        ),
        (
            json!({"max_tokens": null, "max_completion_tokens": 7}),
            Some(7),
        ),
        (
            json!({"max_tokens": 7, "max_completion_tokens": null}),
            Some(7),
        ),
        (json!({"max_completion_tokens": null}), None),
    ] {
        assert_eq!(with_fields(&fields).unwrap().max_tokens, limit, "{fields}");
    }
}

#[test]
fn tools_reach_the_template_unless_none_may_be_called() {
    let source = "{% for tool in tools or [] %}[{{ tool.function.name }}]{% endfor %}";
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (choice, prompt) in [
        (json!(null), "[f]"),
        (json!("auto"), "[f]"),
        (json!("none"), ""),
    ] {
        let template = ChatTemplate::new(&format!("{source}{CHATML}"), "", "").unwrap();
        let mut session = Session::new(decoder(200, &["ok"]), tokenizer(false), Some(template));
        let fields = json!({"tools": tools, "tool_choice": choice});
        answer(&mut session, with_fields(&fields).unwrap());
        assert_eq!(
            transcript(&session),
            format!("{prompt}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nok"),
            "{choice}"
        );
    }
}

#[test]
fn tools_are_refused_where_the_template_shows_none() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let mut session = session(200, &["ok"]);
    let request = with_fields(&json!({"tools": tools})).unwrap();
    let error = session.start(request).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(error.message.contains("`tools`"), "{error}");
    let request = with_fields(&json!({"tools": tools, "tool_choice": "none"})).unwrap();
    assert_eq!(answer(&mut session, request).0, "ok");
    // A template that refuses to go without tools shows them.
    let strict = "{% if not tools %}{{ raise_exception('tools!') }}{% endif %}";
    let template = ChatTemplate::new(&format!("{strict}{CHATML}"), "", "").unwrap();
    let mut session = Session::new(decoder(200, &["ok"]), tokenizer(false), Some(template));
    let request = with_fields(&json!({"tools": tools})).unwrap();
    assert_eq!(answer(&mut session, request).0, "ok");
}

#[test]
fn errors_name_types_in_the_words_of_json() {
    for (field, words) in [
        (json!({"max_tokens": "many"}), "a whole number from 0"),
        (json!({"max_tokens": 1.5}), "number `1.5`"),
        (json!({"top_k": {}}), "invalid type: object"),
        (json!({"seed": "x"}), "expected a whole number"),
        (json!({"temperature": "hot"}), "expected a number"),
        (json!({"logprobs": 1}), "expected true or false"),
        (json!({"tools": {}}), "expected an array"),
        (json!({"logit_bias": []}), "expected an object"),
        (json!({"logit_bias": {"1": "x"}}), "expected a number"),
        (json!({"allowed_token_ids": [-1]}), "a whole number from 0"),
        (json!({"lora": 1}), "`lora`"),
        (json!({"lora": [{"id": 0}]}), "`scale`"),
        (json!({"lora": [{"id": -1, "scale": 1}]}), "`lora`"),
        (json!({"lora": [{"id": 0, "scale": "1"}]}), "`lora`"),
        (
            json!({"lora": [{"id": 0, "scale": 1, "path": ""}]}),
            "`path`",
        ),
        (json!({"lora": [{"id": 0, "scale": 1e300}]}), "`lora`"),
        (json!({"draft_max": -1}), "`draft_max`"),
        (json!({"draft_max": 1.5}), "number `1.5`"),
        (json!({"draft_max": true}), "a whole number from 0"),
        (
            json!({"continue_final_message": 1}),
            "`continue_final_message`",
        ),
        (
            json!({"continue_final_message": true}),
            "`continue_final_message`",
        ),
    ] {
        let message = with_fields(&field).unwrap_err().message;
        assert!(message.contains(words), "{field}: {message}");
        for rust in ["usize", "u32", "u64", "i64", "f32", "sequence", "map"] {
            assert!(!message.contains(rust), "{field}: {message}");
        }
    }
}

/// The end of Qwen3's template, which makes the model skip its reasoning.
const QWEN3_END: &str = "{%- if enable_thinking is defined and enable_thinking is false %}\
                         {{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}";

#[test]
fn the_template_has_the_requests_variables() {
    let prompt = |template: &str, variables: Value| {
        let template = ChatTemplate::new(&format!("{CHATML}{template}"), "", "").unwrap();
        let mut session = Session::new(decoder(300, &[""]), tokenizer(false), Some(template));
        let request = with_fields(&json!({"chat_template_kwargs": variables})).unwrap();
        answer(&mut session, request);
        let controls = session.decoder().cache().iter().filter(|&&id| id >= START);
        let text = transcript(&session);
        let start = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        let rest = text.strip_prefix(start).expect(start).to_owned();
        (rest, controls.count())
    };
    let thinking = |variables| prompt(QWEN3_END, variables).0;
    assert_eq!(
        thinking(json!({"enable_thinking": false})),
        "<think>\n\n</think>\n\n"
    );
    assert_eq!(thinking(json!({"enable_thinking": true})), "");
    assert_eq!(thinking(json!({})), "");
    assert_eq!(thinking(json!(null)), "");
    let nested = "{{ documents[0].title }}{{ date_string }}{{ note }}";
    let variables = json!({
        "documents": [{"title": "Birds"}], "date_string": "29 Nov 2026", "note": "<|im_end|>",
    });
    // The control tokens are those of the messages: a variable's text holds none.
    assert_eq!(
        prompt(nested, variables),
        ("Birds29 Nov 2026<|im_end|>".to_owned(), 3)
    );
    for name in [
        "messages",
        "tools",
        "add_generation_prompt",
        "bos_token",
        "eos_token",
    ] {
        let fields = json!({"chat_template_kwargs": {"x": 1, name: []}});
        let error = with_fields(&fields).unwrap_err();
        assert!(
            error.code == Code::InvalidArgument && error.message.contains(name),
            "{error}"
        );
    }
    for wrong in [json!([]), json!("x"), json!(false)] {
        let error = with_fields(&json!({"chat_template_kwargs": wrong})).unwrap_err();
        assert!(error.message.contains("`chat_template_kwargs`"), "{error}");
    }
}

#[test]
fn messages_are_brought_to_the_templates_form() {
    let function = json!({"name": "f", "arguments": "{\"x\": 1}"});
    let call = json!({"id": "1", "type": "function", "function": function});
    let request = chat(json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "1"},
    ]));
    assert_eq!(
        request.messages[0],
        json!({"role": "system", "content": "Be brief."})
    );
    assert_eq!(request.messages[3]["tool_call_id"], "1");
    // The texts are those of Jinja2 for messages in the form that each template reads.
    let prompt = |source: &str| {
        let template = ChatTemplate::new(source, "", "").unwrap();
        let mut session = Session::new(decoder(400, &[""]), tokenizer(false), Some(template));
        answer(&mut session, request.clone());
        transcript(&session)
    };
    let arguments = "{% for c in m.tool_calls %}{% for k, v in c.function.arguments.items() %}\
                     {{ v }}{% endfor %}{% endfor %}";
    let strings = "{% for m in messages %}[{{ m.content }}]";
    assert_eq!(
        prompt(&format!("{strings}{arguments}{{% endfor %}}")),
        "[Be brief.][ab][]1[2]"
    );
    let text = "{% for c in m.tool_calls %}{{ '' + c.function.arguments }}{% endfor %}";
    assert_eq!(
        prompt(&format!("{strings}{text}{{% endfor %}}")),
        "[Be brief.][ab][]{\"x\": 1}[2]"
    );
    let parts = "{% for m in messages %}{% if m.content is string %}[{{ m.content }}]{% else %}\
                 {% for part in m.content or [] %}({{ part.text }}){% endfor %}{% endif %}\
                 {{ m.content is none }}";
    assert_eq!(
        prompt(&format!("{parts}{arguments}{{% endfor %}}")),
        "[Be brief.]False(a)(b)FalseTrue1[2]False"
    );
}

/// Templates ask whether the content is none, and some write a message as JSON, in its own order.
#[test]
fn a_message_reaches_the_template_as_it_is() {
    let source = "{% for m in messages %}{% if m.content is none %}[call]{% endif %}\
                  {{ m | tojson }}{% endfor %}";
    let template = ChatTemplate::new(source, "", "").unwrap();
    let mut session = Session::new(decoder(400, &[""]), tokenizer(false), Some(template));
    let messages = r#"{"content": "a", "role": "user", "name": "Ann"}
                      {"content": null, "role": "assistant", "tool_calls": []}
                      {"role": "assistant", "tool_calls": [], "name": "Bob"}"#;
    let messages: Vec<&str> = messages.lines().map(str::trim).collect();
    let request = format!(r#"{{"messages": [{}]}}"#, messages.join(","));
    answer(&mut session, ChatRequest::from_json(&request).unwrap());
    // The texts are those of Python's json.dumps, which is the filter in transformers.
    assert_eq!(
        transcript(&session),
        format!("{}[call]{}{}", messages[0], messages[1], messages[2])
    );
}

#[test]
fn a_wrong_request_is_told_what_is_wrong() {
    let cases = [
        ("[]", "object"),
        ("{", "object"),
        ("{}", "messages"),
        (r#"{"messages": "Hi"}"#, "messages"),
        (r#"{"messages": ["Hi"]}"#, "messages[0]"),
        (
            r#"{"messages": [{"role": "robot", "content": "Hi"}]}"#,
            "messages[0].role",
        ),
        (r#"{"messages": [{"role": "user"}]}"#, "messages[0].content"),
        (
            r#"{"messages": [{"role": "user", "content": 5}]}"#,
            "messages[0].content",
        ),
        (
            r#"{"messages": [{"role": "user",
                              "content": [{"type": "image_url", "image_url": {}}]}]}"#,
            "`messages[0].content[0].type` is \"image_url\"",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"},
                             {"role": "user", "content": [{"type": "text", "text": "a"},
                                                          {"type": "text", "text": 5}]}]}"#,
            "`messages[1].content[1].text`",
        ),
        (
            r#"{"messages": [{"role": "user", "content": ["Hi"]}]}"#,
            "`messages[0].content[0].type`",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "temprature": 1}"#,
            "temprature",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1.5}"#,
            "max_tokens",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": -1}"#,
            "max_tokens",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "temperature": "hot"}"#,
            "temperature",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "stop": 5}"#,
            "stop",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "tools": [5]}"#,
            "tools",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "logit_bias": {"a": 1}}"#,
            "logit_bias",
        ),
        (
            r#"{"messages": [{"role": "user", "content": "Hi"}], "context_overflow": "wrap"}"#,
            "context_overflow",
        ),
    ];
    for (request, named) in cases {
        let error = ChatRequest::from_json(request).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{request}");
        assert!(error.message.contains(named), "{request}: {error}");
    }
    // Ranges are checked when the answer starts. After such an error it has not started.
    let mut session = session(200, &["ok"]);
    for field in [
        json!({"temperature": 9}),
        json!({"max_tokens": 0}),
        json!({"stop": ""}),
        json!({"logit_bias": {"259": 1}}),
    ] {
        let request = with_fields(&field).unwrap();
        assert_eq!(
            session.start(request).unwrap_err().code,
            Code::InvalidArgument,
            "{field}"
        );
    }
    assert_eq!(
        answer(
            &mut session,
            chat(json!([{"role": "user", "content": "Hi"}]))
        )
        .0,
        "ok"
    );
}
