//! Reads an answer that is nothing but calls in JSON: `{"name": "f", "parameters": {}}`.

use super::{
    piece::{Piece, ToolCall, push_content},
    tool_format::JSON_MARKER,
};
use serde_json::{Deserializer, Value};

/// Reads an answer that may be calls in JSON.
#[derive(Default)]
pub(super) struct JsonCalls {
    held: String,
    is_text: bool,
}

impl JsonCalls {
    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.held.push_str(text);
        let seen = self.held.trim_start();
        let may_be_calls = seen.is_empty()
            || JSON_MARKER.starts_with(seen)
            || seen.starts_with(JSON_MARKER)
            || seen.starts_with(['{', '[']);
        if self.is_text || !may_be_calls {
            self.is_text = true;
            push_content(std::mem::take(&mut self.held), pieces);
        }
    }

    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        match calls_in(&held) {
            Some(calls) => pieces.extend(calls.into_iter().map(Piece::Call)),
            None => push_content(held, pieces),
        }
    }
}

/// Returns the calls of an answer that has nothing else, at least one: objects with `;` or nothing
/// between them, or an array of them.
fn calls_in(text: &str) -> Option<Vec<ToolCall>> {
    let text = text.trim();
    let mut rest = text.strip_prefix(JSON_MARKER).unwrap_or(text);
    let mut calls = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c == ';' || c.is_whitespace());
        if rest.is_empty() {
            return Some(calls).filter(|calls| !calls.is_empty());
        }
        let mut values = Deserializer::from_str(rest).into_iter::<Value>();
        match values.next()?.ok()? {
            Value::Array(items) => {
                for item in &items {
                    calls.push(call_of(item)?);
                }
            }
            value => calls.push(call_of(&value)?),
        }
        rest = &rest[values.byte_offset()..];
    }
}

/// Returns the call that an object is, with `arguments` or `parameters` that are an object, or one
/// in a string.
pub(super) fn call_of(value: &Value) -> Option<ToolCall> {
    let name = value.get("name")?.as_str()?.to_owned();
    let arguments = value.get("arguments").or_else(|| value.get("parameters"))?;
    let parsed: Value;
    let arguments = match arguments {
        Value::String(text) => {
            parsed = serde_json::from_str(text).ok()?;
            &parsed
        }
        other => other,
    };
    arguments.is_object().then(|| ToolCall {
        name,
        arguments: arguments.to_string(),
    })
}
