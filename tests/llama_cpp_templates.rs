//! The chat templates that llama.cpp ships render ten conversations as Hugging Face's own code
//! renders them (tests/fixtures/make_chat_templates.py).

mod support;

use serde_json::{Value, json};
use siskin::Code;
use siskin::text::template::ChatTemplate;
use support::llama_cpp::{each_template, goldens};

/// Returns the 64-bit FNV-1a hash of a text.
fn fnv(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[test]
fn renderings_equal_those_of_jinja2() {
    let goldens = goldens();
    assert_eq!(goldens.templates.len() * goldens.conversations.len(), 700);
    let (mut equal, mut wrong) = (0, Vec::new());
    let is_there = each_template(&goldens, |golden, source| {
        let template = ChatTemplate::new(source, "<s>", "</s>").expect(&golden.name);
        let template = template.with_time(goldens.now);
        for (case, expected) in goldens.conversations.iter().zip(&golden.expected) {
            let Some(expected) = expected else { continue };
            let rendered = template.render(
                &case.messages,
                case.tools.as_ref(),
                case.add_generation_prompt,
                None,
            );
            match rendered {
                Ok(text) if fnv(&text) == *expected => equal += 1,
                other => wrong.push(format!("{}, {}: {other:?}", golden.name, case.name)),
            }
        }
    });
    assert!(
        wrong.is_empty(),
        "{equal} are equal but not:\n{}",
        wrong.join("\n")
    );
    // Jinja2 itself fails in the other 101 cases.
    assert_eq!(equal, if is_there { 599 } else { 0 });
}

const UNREADABLE: &str = "fireworks-ai-llama-3-firefunction-v2";
const WITHOUT_CALLS: [&str; 13] = [
    "CohereForAI-c4ai-command-r-plus-tool_use",
    "HuggingFaceTB-SmolLM3-3B",
    "Kimi-K2-Instruct",
    "Kimi-K2-Thinking",
    "LFM2-8B-A1B",
    "LFM2.5-Instruct",
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use",
    UNREADABLE,
    "google-gemma-2-2b-it",
    "ibm-granite-granite-3.3-2B-Instruct",
    "llama-cpp-rwkv-world",
    "microsoft-Phi-3.5-mini-instruct",
];

#[test]
fn no_template_loses_a_text_or_a_call() {
    let goldens = goldens();
    let (mut without_text, mut without_call) = (Vec::new(), Vec::new());
    let is_there = each_template(&goldens, |golden, source| {
        let template = ChatTemplate::new(source, "<s>", "</s>").expect(&golden.name);
        let shows = |messages: Value, tools: Option<&Value>| {
            let messages = template.adapt(&messages, tools);
            match template.render(&messages, tools, true, None) {
                Ok(text) => text.contains("WORD"),
                Err(error) => {
                    assert_eq!(error.code, Code::Template);
                    false
                }
            }
        };
        let parts = json!([{"type": "text", "text": "a "}, {"type": "text", "text": "WORD"}]);
        for content in [json!("WORD"), parts] {
            if !shows(json!([{"role": "user", "content": content}]), None) {
                without_text.push(golden.name.clone());
            }
        }
        let tools = goldens
            .conversations
            .iter()
            .find_map(|case| case.tools.as_ref());
        for arguments in [json!({"city": "WORD"}), json!("{\"city\": \"WORD\"}")] {
            let messages = json!([
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": null, "tool_calls": [{
                    "id": "abcdefghi",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": arguments},
                }]},
                {
                    "role": "tool",
                    "tool_call_id": "abcdefghi",
                    "name": "get_weather",
                    "content": "1",
                },
            ]);
            if !shows(messages, tools) {
                without_call.push(golden.name.clone());
            }
        }
    });
    if !is_there {
        return;
    }
    // This one reads variables that no request has.
    assert_eq!(without_text, [UNREADABLE; 2]);
    // These never write calls, in no form of them, or Jinja2 fails.
    assert_eq!(without_call, WITHOUT_CALLS.map(|name| [name; 2]).concat());
}
