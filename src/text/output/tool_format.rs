//! Names the ways in which models write the calls of tools.

use crate::text::template::ChatTemplate;

/// Says how a model calls tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolFormat {
    /// `<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>`, as Qwen and Hermes do.
    Hermes,
    /// `{"name": "f", "parameters": {"a": 1}}`, the whole answer, as Llama 3 does.
    Llama3,
    /// `[f(a=1), g()]`, the whole answer, as Llama 4 and LFM2 do.
    Pythonic,
}

/// Begins and ends a list of Python's calls, where the template says so.
pub const PYTHON_MARKERS: [&str; 2] = ["<|tool_call_start|>", "<|tool_call_end|>"];
/// Stands before the calls of Llama 3, where the model writes it.
pub const JSON_MARKER: &str = "<|python_tag|>";
/// Begins and ends a call of Hermes.
pub const HERMES_MARKERS: [&str; 2] = ["<tool_call>", "</tool_call>"];

impl ToolFormat {
    /// Returns the format that a chat template speaks of, and Hermes where it speaks of none.
    pub fn of(template: &ChatTemplate) -> Self {
        let speaks_of = |words: &str| template.sources().any(|source| source.contains(words));
        if speaks_of(HERMES_MARKERS[0]) {
            Self::Hermes
        } else if speaks_of(PYTHON_MARKERS[0]) || speaks_of("[func_name1(") {
            Self::Pythonic
        } else if speaks_of(JSON_MARKER) || speaks_of("\"parameters\"") {
            Self::Llama3
        } else {
            Self::Hermes
        }
    }
}
