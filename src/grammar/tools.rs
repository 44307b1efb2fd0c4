//! Makes the grammar of the calls of tools, as a model writes them.

use super::{constraint::Trigger, form::spaced};
use crate::text::output::tool_format::{HERMES_MARKERS, PYTHON_MARKERS, ToolFormat};
use serde_json::Value;
use std::fmt::Write;

/// Holds a tool that may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Holds the tool's name.
    pub name: String,
    /// Holds the JSON schema of its arguments: an object.
    pub parameters: Value,
}

/// Returns a grammar in Lark of one call of `tools`, or of several if `parallel` says so.
/// `marker` returns a marker as the grammar has it, which may be a token. With `is_begun` the text
/// that triggers the calls stands before the grammar already.
pub fn tool_grammar(
    format: ToolFormat,
    tools: &[Tool],
    parallel: bool,
    is_begun: bool,
    marker: impl Fn(&str) -> String,
) -> String {
    let [open, close] = HERMES_MARKERS.map(&marker);
    let mut text = match format {
        ToolFormat::Hermes => {
            let first = if is_begun { "" } else { &open };
            let more = if parallel {
                format!(" (\"\\n\" {open} body)*")
            } else {
                String::new()
            };
            format!("start: {first} body{more}\nbody: \"\\n\" call \"\\n\" {close}\n")
        }
        ToolFormat::Llama3 => "start: call\n".to_owned(),
        ToolFormat::Pythonic => {
            let more = if parallel { " (\", \" call)*" } else { "" };
            format!("start: \"[\" call{more} \"]\"\n")
        }
    };
    let calls: Vec<String> = (0..tools.len()).map(|i| format!("call_{i}")).collect();
    let _ = writeln!(text, "call: {}", calls.join(" | "));
    for (i, tool) in tools.iter().enumerate() {
        match format {
            ToolFormat::Hermes => json_call(&mut text, i, tool, "arguments"),
            ToolFormat::Llama3 => json_call(&mut text, i, tool, "parameters"),
            ToolFormat::Pythonic => python_call(&mut text, i, tool),
        }
    }
    text
}

/// Returns what begins a call in an answer that need not have one.
pub fn tool_trigger(format: ToolFormat) -> Trigger {
    match format {
        ToolFormat::Hermes => Trigger::After(HERMES_MARKERS[0].to_owned()),
        ToolFormat::Llama3 => Trigger::AtStart("{".to_owned()),
        ToolFormat::Pythonic => Trigger::AtStart("[".to_owned()),
    }
}

/// Lists the texts by which calls are found: a model may have tokens of these names.
pub fn tool_markers() -> impl Iterator<Item = &'static str> {
    HERMES_MARKERS.into_iter().chain(PYTHON_MARKERS)
}

fn json_call(text: &mut String, i: usize, tool: &Tool, arguments: &str) {
    let name = Value::from(tool.name.as_str());
    let begin = quoted(&format!("{{\"name\": {name}, \"{arguments}\": "));
    let _ = writeln!(text, "call_{i}: {begin} args_{i} \"}}\"");
    let _ = writeln!(text, "args_{i}: %json {}", spaced(&tool.parameters));
}

/// Writes the rules of `name(a=1, b=2)`: rule `a_I_K` is of the parameters from number K on where
/// one stands before, `b_I_K` where none does.
fn python_call(text: &mut String, i: usize, tool: &Tool) {
    let begin = quoted(&format!("{}(", tool.name));
    let _ = writeln!(text, "call_{i}: {begin} b_{i}_0 \")\"");
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    let required = tool.parameters.get("required").and_then(Value::as_array);
    let definitions = tool.parameters.get("$defs");
    let mut count = 0;
    for (k, (name, schema)) in properties.into_iter().flatten().enumerate() {
        let is_required = required.is_some_and(|names| names.iter().any(|it| it == name));
        let next = k + 1;
        let skip = |rule: &str| match is_required {
            true => String::new(),
            false => format!(" | {rule}_{i}_{next}"),
        };
        let name = quoted(&format!("{name}="));
        let _ = writeln!(
            text,
            "a_{i}_{k}: \", \" {name} v_{i}_{k} a_{i}_{next}{}",
            skip("a")
        );
        let _ = writeln!(
            text,
            "b_{i}_{k}: {name} v_{i}_{k} a_{i}_{next}{}",
            skip("b")
        );
        let mut schema = schema.clone();
        if let (Some(fields), Some(definitions)) = (schema.as_object_mut(), definitions) {
            fields.insert("$defs".to_owned(), definitions.clone());
        }
        let _ = writeln!(text, "v_{i}_{k}: %json {}", spaced(&schema));
        count = next;
    }
    let _ = writeln!(text, "a_{i}_{count}: \"\"\nb_{i}_{count}: \"\"");
}

/// Returns a text as Lark has it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
