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

#[derive(Deserialize)]
struct Habits {
    messages: Value,
    /// Holds templates, each with its text or `None` where Jinja2 fails.
    habits: Vec<(String, Option<String>)>,
}

#[test]
fn expressions_and_blocks_mean_what_they_mean_to_jinja2() {
    let habits: Habits =
        serde_json::from_str(include_str!("fixtures/jinja_habits.json")).expect("habits");
    assert!(habits.habits.len() > 450);
    let different: Vec<String> = habits
        .habits
        .iter()
        .filter_map(|(source, expected)| {
            let rendered = render(source, habits.messages.clone());
            let is_equal = rendered.as_ref().ok() == expected.as_ref();
            (!is_equal).then(|| format!("{source}: {rendered:?} and not {expected:?}"))
        })
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn nested_values_are_written_at_any_depth_of_a_chat() {
    let deep = (0..100).fold(json!("x"), |inner, _| json!([inner]));
    let text = format!("{}'x'{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(render("{{ messages }}", deep.clone()).expect("text"), text);
    assert_eq!(
        render("{{ messages | tojson }}", deep).expect("text"),
        text.replace('\'', "\"")
    );
}

#[test]
fn too_deep_templates_are_errors() {
    let many = |text: &str| text.repeat(20_000);
    let too_deep = [
        format!("{{{{ 1{} }}}}", many("+1")),
        format!("{{{{ {}1 }}}}", many("-")),
        format!("{{{{ {}1 }}}}", many("not ")),
        format!("{{{{ 1{} }}}}", many(" < 1")),
        format!("{{{{ 1{} }}}}", many(" if 1 else 1")),
        format!("{{{{ 1{} }}}}", many(" | abs")),
        format!("{{{{ messages{} }}}}", many(".x")),
        format!("{{{{ messages{} }}}}", many("[0]")),
        format!("{{{{ messages{} }}}}", many("[0:]")),
        format!("{{{{ {}1{} }}}}", many("("), many(")")),
        format!("{{{{ {}1{} }}}}", many("["), many("]")),
        format!("{{{{ {}1{} }}}}", many("{1:"), many("}")),
        format!("{{% if 1 %}}{}{{% endif %}}", many("{% elif 1 %}")),
        many("{% if 1 %}") + &many("{% endif %}"),
        many("{% for x in messages %}") + &many("{% endfor %}"),
        many("{% generation %}") + &many("{% endgeneration %}"),
        format!("{{% set x = 1{} %}}", many("~1")),
    ];
    for source in too_deep {
        let error = render(&source, json!([])).expect_err(&source[..40]);
        assert_eq!(error.code, Code::Template);
        assert!(error.message.len() < 1000, "{}", error.message);
    }
    let nested = "{% set ns = namespace(x=0) %}{% for i in range(10000) %}\
                  {% set ns.x = [ns.x] %}{% endfor %}";
    assert_eq!(render(nested, json!([])).expect("text"), "");
    for used in [
        "{{ ns.x }}",
        "{{ ns.x | tojson }}",
        "{{ ns.x | string }}",
        "{{ ns.x | list | string }}",
        "{% for x in ns.x[0] %}{% for y in x %}{{ y | pprint }}{% endfor %}{% endfor %}",
    ] {
        let outcome = render(&format!("{nested}{used}"), json!([]));
        assert_eq!(outcome.expect_err(used).code, Code::Template, "{used}");
    }
}

#[test]
fn contents_come_in_the_form_that_the_template_reads() {
    let adapted = |source: &str, message: Value| {
        let template = ChatTemplate::new(source, "<s>", "</s>").expect("a template");
        let messages = template.adapt(&json!([message]), None);
        template.render(&messages, None, true, None).expect("text")
    };
    let string = json!({"role": "user", "content": "one two"});
    let parts = json!({"role": "user", "content": [
        {"type": "text", "text": "one "}, {"type": "text", "text": "two"},
    ]});
    let reads_strings = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let reads_parts = "{% for m in messages %}{% for part in m['content'] %}{{ part.text }}\
                       {% endfor %}{% endfor %}";
    let reads_both = "{% for m in messages %}{% if m.content is string %}s:{{ m.content }}\
                      {% else %}{% for part in m.content %}p:{{ part.text }}{% endfor %}\
                      {% endif %}{% endfor %}";
    for message in [&string, &parts] {
        assert_eq!(adapted(reads_strings, message.clone()), "one two");
        assert_eq!(adapted(reads_parts, message.clone()), "one two");
    }
    assert_eq!(adapted(reads_both, string), "s:one two");
    assert_eq!(adapted(reads_both, parts), "p:one p:two");
    let null = json!({"role": "assistant", "content": null});
    assert_eq!(
        adapted(
            "{% for m in messages %}{{ m.content is none }}{% endfor %}",
            null
        ),
        "True"
    );
}

#[test]
fn arguments_come_in_the_form_that_the_template_reads() {
    let concatenates = "{% for m in messages %}{% for c in m.tool_calls %}\
                        {{ '<' + c.function.arguments + '>' }}{% endfor %}{% endfor %}";
    let pipes = "{% for m in messages %}{% for c in m.tool_calls %}\
                 <{{ c.function.arguments | tojson }}>{% endfor %}{% endfor %}";
    let loops = "{% for m in messages %}{% for c in m.tool_calls %}<\
                 {% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}>\
                 {% endfor %}{% endfor %}";
    for (source, of_object, of_string) in [
        // An object is written as llama.cpp writes it; a string stays as it came.
        (concatenates, "<{\"a\":1}>", "<{\"a\": 1}>"),
        (pipes, "<{\"a\": 1}>", "<{\"a\": 1}>"),
        (loops, "<a=1>", "<a=1>"),
    ] {
        let template = ChatTemplate::new(source, "<s>", "</s>").expect("a template");
        for (arguments, expected) in [
            (json!({"a": 1}), of_object),
            (json!("{\"a\": 1}"), of_string),
        ] {
            let messages = json!([{"role": "assistant", "content": null, "tool_calls": [
                {"type": "function", "function": {"name": "f", "arguments": arguments}},
            ]}]);
            let messages = template.adapt(&messages, None);
            let text = template.render(&messages, None, true, None).expect("text");
            assert_eq!(text, expected, "{source}");
        }
    }
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
