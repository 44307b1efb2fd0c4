//! Names the forms that an answer can be held to, and compiles them.

use crate::{Code, Error, Result};
use llguidance::api::TopLevelGrammar;
use serde_json::{Map, Value, json};

/// Limits the bytes of a form as JSON or text: what is larger is a mistake, or an attack.
const MAX_BYTES: usize = 256 << 10;

/// Returns the keyword of a JSON schema that llguidance says it does not support.
fn keyword(message: &str) -> Option<&str> {
    if let Some((_, keys)) = message.split_once("Unimplemented keys: [\"") {
        return keys.split('"').next();
    }
    [
        ("Unknown format", "format"),
        ("oneOf constraints are not supported", "oneOf"),
        ("$ref", "$ref"),
    ]
    .into_iter()
    .find(|(words, _)| message.contains(words))
    .map(|(_, keyword)| keyword)
}

/// Returns a schema whose JSON has one line, with a space behind commas and colons, as Python has
/// it and models have read it. White space is not the model's to choose: a small one may write it
/// without end, and what is certain costs no step.
pub(super) fn spaced(schema: &Value) -> Value {
    let mut schema = match schema {
        Value::Object(fields) => fields.clone(),
        Value::Bool(true) => Map::new(),
        other => return other.clone(),
    };
    let spacing = json!({
        "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "
    });
    schema.insert("x-guidance".to_owned(), spacing);
    Value::Object(schema)
}

/// Says what form an answer has.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// The answer is a JSON value that this JSON Schema accepts.
    JsonSchema(Value),
    /// The answer matches this regular expression, in the syntax of Rust's crate regex.
    Regex(String),
    /// The answer is a sentence of this grammar, in llguidance's form of Lark.
    Lark(String),
    /// The answer is a call of a tool, by a grammar of [`tool_grammar`](super::tool_grammar).
    Tools(String),
}

impl Form {
    /// Returns the form of any JSON object.
    pub fn json_object() -> Self {
        Self::JsonSchema(json!({"type": "object"}))
    }

    /// Returns the name of the field of a request that gives it.
    fn field(&self) -> &'static str {
        match self {
            Self::JsonSchema(_) => "response_format.json_schema.schema",
            Self::Regex(_) => "regex",
            Self::Lark(_) => "grammar",
            Self::Tools(_) => "tools",
        }
    }

    /// Returns the error of a form that llguidance does not compile, and says so.
    pub(super) fn refusal(&self, message: &str) -> Error {
        let field = self.field();
        let message = message.lines().next().unwrap_or_default();
        let text = match keyword(message) {
            Some(keyword) => format!(
                "`{field}.{keyword}` is not supported here ({message}); leave it out, or say it \
                 another way."
            ),
            None => format!("`{field}` does not compile: {message}."),
        };
        Error::new(Code::InvalidArgument, text)
    }

    /// Returns the grammar that llguidance compiles.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for a form that is too large.
    pub(super) fn grammar(&self) -> Result<TopLevelGrammar> {
        let size = match self {
            Self::JsonSchema(schema) => schema.to_string().len(),
            Self::Regex(text) | Self::Lark(text) | Self::Tools(text) => text.len(),
        };
        if size > MAX_BYTES {
            let message = format!("it has {size} bytes, and may have {MAX_BYTES}");
            return Err(self.refusal(&message));
        }
        Ok(match self {
            Self::JsonSchema(schema) => TopLevelGrammar::from_json_schema(spaced(schema)),
            Self::Regex(regex) => TopLevelGrammar::from_regex(regex),
            Self::Lark(grammar) | Self::Tools(grammar) => {
                TopLevelGrammar::from_lark(grammar.clone())
            }
        })
    }
}
