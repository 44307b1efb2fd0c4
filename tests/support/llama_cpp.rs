//! The chat templates that llama.cpp ships, with ten conversations.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub struct Goldens {
    pub now: i64,
    pub conversations: Vec<Conversation>,
    pub templates: Vec<Template>,
}

#[derive(Deserialize)]
pub struct Conversation {
    pub name: String,
    pub messages: Value,
    pub tools: Option<Value>,
    pub add_generation_prompt: bool,
}

#[derive(Deserialize)]
pub struct Template {
    pub name: String,
    pub bytes: usize,
    /// Holds the hash of the text for each conversation, or `None` where Jinja2 fails.
    pub expected: Vec<Option<String>>,
}

pub fn goldens() -> Goldens {
    serde_json::from_str(include_str!("../fixtures/llama_cpp_templates.json")).expect("goldens")
}

/// Calls `test` with each template and its text, which lie one behind the other in one file.
///
/// Returns `false` where the file is missing.
pub fn each_template(goldens: &Goldens, mut test: impl FnMut(&Template, &str)) -> bool {
    let Some(path) = super::model_path::model_path("llama.cpp-chat-templates.txt") else {
        return false;
    };
    let texts = std::fs::read_to_string(path).expect("readable templates");
    let mut rest = texts.as_str();
    for template in &goldens.templates {
        let (source, others) = rest.split_at(template.bytes);
        rest = others;
        test(template, source);
    }
    assert!(rest.is_empty());
    true
}
