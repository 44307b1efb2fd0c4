//! Chat templates render as Hugging Face's own code renders them
//! (tests/fixtures/make_chat_templates.py).

use serde::Deserialize;
use serde_json::{Value, json};
use siskin::Code;
use siskin::text::template::ChatTemplate;
use std::collections::HashMap;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Deserialize)]
struct Goldens {
    templates: HashMap<String, String>,
    bos: HashMap<String, String>,
    date_string: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    case: String,
    messages: Value,
    tools: Option<Value>,
    add_generation_prompt: bool,
    expected: Option<String>,
    error: Option<String>,
}

#[test]
fn renderings_equal_the_goldens() {
    let goldens: Goldens =
        serde_json::from_str(include_str!("fixtures/chat_templates.json")).expect("goldens");
    assert_eq!(goldens.cases.len(), 72);
    for case in &goldens.cases {
        let name = format!("{}, {}", case.template, case.case);
        let bos = goldens.bos.get(&case.template).map_or("", String::as_str);
        let template =
            ChatTemplate::new(&goldens.templates[&case.template], bos, "</s>").expect(&name);
        let rendered = template.render(
            &case.messages,
            case.tools.as_ref(),
            case.add_generation_prompt,
            Some(&goldens.date_string),
        );
        match (&case.expected, &case.error) {
            (Some(expected), None) => assert_eq!(&rendered.expect(&name), expected, "{name}"),
            (None, Some(message)) => {
                let error = rendered.expect_err(&name);
                assert_eq!(error.code, Code::Template, "{name}");
                assert!(
                    error.message.contains(message.as_str()),
                    "{name}: {}",
                    error.message
                );
            }
            _ => panic!("{name}: a golden is a text or an error"),
        }
    }
}

fn render(source: &str, messages: Value) -> siskin::Result<String> {
    ChatTemplate::new(source, "<s>", "</s>")?.render(&messages, None, true, None)
}

#[test]
fn tojson_writes_what_python_writes() {
    let value = json!({
        "html": "<b>'&'</b>",
        "Ünï": "中😀\n\u{7f}\u{1}\"\\",
        "n": [1, -2.5, 1e16, null, true, {}, []],
    });
    let expected = "{\"html\": \"<b>'&'</b>\", \"Ünï\": \"中😀\\n\u{7f}\\u0001\\\"\\\\\", \
                    \"n\": [1, -2.5, 1e+16, null, true, {}, []]}";
    assert_eq!(
        render("{{ messages | tojson }}", value).expect("JSON"),
        expected
    );
    let rendered = render(
        "{{ messages | tojson(indent=2) }}",
        json!({"b": [1, 2], "a": {}}),
    )
    .expect("JSON");
    assert_eq!(
        rendered,
        "{\n  \"b\": [\n    1,\n    2\n  ],\n  \"a\": {}\n}"
    );
    let source =
        "{{ messages | tojson(ensure_ascii=true, sort_keys=true, separators=(',', ':')) }}";
    assert_eq!(
        render(source, json!({"b": "é😀", "a": 1})).expect("JSON"),
        "{\"a\":1,\"b\":\"\\u00e9\\ud83d\\ude00\"}"
    );
}

#[test]
fn python_and_jinja_habits_are_known() {
    let loop_controls = "{% for m in messages %}{% if m == 2 %}{% continue %}\
                         {% elif m == 4 %}{% break %}{% endif %}{{ m }}{% endfor %}";
    assert_eq!(
        render(loop_controls, json!([1, 2, 3, 4, 5])).expect("text"),
        "13"
    );
    assert_eq!(
        render(
            "{{ messages[0].strip().split(',')[-1].title() }}",
            json!([" a,bc "])
        )
        .expect("text"),
        "Bc"
    );
    assert_eq!(
        render("  {% if true %}\n  x\n  {% endif %}\ny\n", json!([])).expect("text"),
        "  x\ny"
    );
    assert_eq!(
        render(
            "{{ bos_token }}{{ missing }}{{ none }}{{ true }}{{ eos_token }}",
            json!([])
        )
        .expect("text"),
        "<s>NoneTrue</s>"
    );
}

#[test]
fn the_date_comes_from_the_clock_where_none_is_given() {
    let year: u32 = render("{{ strftime_now('%Y') }}", json!([]))
        .expect("a year")
        .parse()
        .expect("a number");
    assert!(year >= 2024);
}

#[test]
fn broken_and_unhappy_templates_are_errors() {
    for source in [
        "{% if %}",
        "{{ messages",
        "{% endfor %}",
        "{% for x in messages %}",
    ] {
        assert_eq!(
            render(source, json!([])).expect_err(source).code,
            Code::Template
        );
    }
    for source in [
        "{{ messages.missing.deeper }}",
        "{{ 1 / 0 }}",
        "{{ missing | tojson }}",
        "{{ messages | no_such_filter }}",
    ] {
        assert_eq!(
            render(source, json!([])).expect_err(source).code,
            Code::Template
        );
    }
    let refused = render(
        "{% macro m() %}{{ raise_exception('No tools here') }}{% endmacro %}{{ m() }}",
        json!([]),
    )
    .expect_err("a refusal");
    assert_eq!(
        refused.message,
        "The model's chat template refuses these messages: No tools here."
    );
}

#[test]
fn a_hostile_template_ends() {
    let bombs = [
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}\
         {% endfor %}{% endfor %}{% endfor %}",
        "{% set n = namespace(x='xxxxxxxx') %}\
         {% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='xxxxxxxx') %}\
         {% for i in range(64) %}{% set n.x = n.x.replace('x', n.x) %}{% endfor %}",
        "{% set n = namespace(x='xxxxxxxx') %}\
         {% for i in range(64) %}{% set n.x = n.x.join([n.x, n.x, n.x]) %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}\
         {% for i in range(64) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
        "{{ 'x' * 1000000000000 }}",
        "{{ messages | tojson(indent=1000000000000) | length }}{{ 'x' | center(1000000000000) }}",
    ];
    for bomb in bombs {
        let error = render(bomb, json!([[[1, 2], 3], 4])).expect_err(bomb);
        assert_eq!(error.code, Code::Template, "{bomb}");
        assert!(
            error.message.ends_with('.') && error.message.len() < 1000,
            "{bomb}: {}",
            error.message
        );
    }
    let long = json!([{"role": "user", "content": "x ".repeat(1 << 20)}]);
    let text = render(
        "{{ messages[0].content.replace('x', '<x>').strip() ~ (messages | tojson) }}",
        long,
    )
    .expect("a long chat");
    assert!(text.len() > 4 << 20);
}
