//! Templates differ in the shapes that they read: a content may be a string or a list of parts, and
//! the arguments of a tool call an object or JSON in a string. Which of them a template reads is
//! found by rendering a message in both.

use serde_json::{Map, Value, json};

/// A word that no template holds.
const SENTINEL: &str = "siskin5sentinel7";

/// Says in which form a template reads messages.
#[derive(Clone, Copy, Default)]
pub(super) struct MessageForm {
    /// Tells that contents must be lists of parts, for a string vanishes.
    reads_parts: bool,
    /// Tells that contents may be lists of parts, and need not be joined.
    understands_parts: bool,
    /// Tells that the arguments of tool calls must be JSON in a string.
    reads_argument_strings: bool,
    /// Tells that a content of null must be an empty text.
    fails_on_null: bool,
}

impl MessageForm {
    /// Finds the form of a template by rendering messages with it; `render` returns `None` where
    /// the template refuses them.
    pub(super) fn of(render: impl Fn(&Value, Option<&Value>) -> Option<String>) -> Self {
        let shows = |content: Value| {
            let messages = json!([{"role": "user", "content": content}]);
            let text = render(&messages, None).unwrap_or_default();
            // A list that is written as a list shows the word in quotes.
            text.contains(SENTINEL)
                && !text.contains(&format!("'{SENTINEL}'"))
                && !text.contains(&format!("\"{SENTINEL}\""))
        };
        let parts = json!([{"type": "text", "text": SENTINEL}]);
        let understands_parts = shows(parts);
        let reads_parts = understands_parts && !shows(Value::from(SENTINEL));
        let text = |text: &str| {
            if reads_parts {
                json!([{"type": "text", "text": text}])
            } else {
                json!(text)
            }
        };
        let parameters = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let tools = json!([{"type": "function", "function": {
            "name": "f", "description": "", "parameters": parameters,
        }}]);
        let call = |content: &Value, arguments: &Value| {
            let messages = json!([
                {"role": "user", "content": text("x")},
                {"role": "assistant", "content": content, "tool_calls": [{
                    "id": "abcdefghi",
                    "type": "function",
                    "function": {"name": "f", "arguments": arguments},
                }]},
                {"role": "tool", "tool_call_id": "abcdefghi", "name": "f", "content": text("x")},
            ]);
            Shown::of(&render(&messages, Some(&tools)).unwrap_or_default())
        };
        let (object, string) = (
            json!({"a": SENTINEL}),
            Value::from(format!("{{\"a\": \"{SENTINEL}\"}}")),
        );
        let (empty, null) = (text(""), Value::Null);
        let best = |arguments| call(&empty, arguments).max(call(&null, arguments));
        let reads_argument_strings = best(&string) > best(&object);
        let arguments = if reads_argument_strings {
            &string
        } else {
            &object
        };
        Self {
            reads_parts,
            understands_parts,
            reads_argument_strings,
            fails_on_null: call(&null, arguments) < call(&empty, arguments),
        }
    }

    /// Returns the messages in this form. A content of null stays null, unless the template fails
    /// on it or writes `None`.
    pub(super) fn adapt(self, messages: &Value) -> Value {
        let Some(list) = messages.as_array() else {
            return messages.clone();
        };
        list.iter().map(|message| self.message(message)).collect()
    }

    fn message(self, message: &Value) -> Value {
        let mut message = message.clone();
        if let Some(content) = message.get_mut("content") {
            self.content(content);
        }
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            if let Some(arguments) = call.pointer_mut("/function/arguments") {
                self.arguments(arguments);
            }
        }
        message
    }

    fn content(self, content: &mut Value) {
        match content {
            Value::String(text) if self.reads_parts => {
                *content = json!([{"type": "text", "text": text}]);
            }
            Value::Null if self.fails_on_null => {
                *content = Value::from("");
                self.content(content);
            }
            Value::Array(parts) if !self.understands_parts => {
                let texts = parts.iter().map(|part| part.get("text")?.as_str());
                if let Some(text) = texts.collect::<Option<String>>() {
                    *content = Value::String(text);
                }
            }
            _ => {}
        }
    }

    fn arguments(self, arguments: &mut Value) {
        match arguments {
            Value::String(text) if !self.reads_argument_strings => {
                if let Ok(object) = serde_json::from_str::<Map<String, Value>>(text) {
                    *arguments = Value::Object(object);
                }
            }
            Value::Object(_) if self.reads_argument_strings => {
                *arguments = Value::String(arguments.to_string());
            }
            _ => {}
        }
    }
}

/// Says how well a rendering shows the arguments of a call, the worst first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Not,
    /// As Python writes a dictionary, as JSON within JSON, or beside a `None`.
    Mangled,
    Well,
}

impl Shown {
    fn of(text: &str) -> Self {
        let is_mangled = [
            format!("\\\"{SENTINEL}\\\""),
            format!("'a': '{SENTINEL}'"),
            "None".to_owned(),
        ];
        if !text.contains(SENTINEL) {
            Self::Not
        } else if is_mangled.iter().any(|mangled| text.contains(mangled)) {
            Self::Mangled
        } else {
            Self::Well
        }
    }
}
