//! Names the forms that an answer can be held to, and compiles them.

use crate::{Code, Error, Result};
use llguidance::api::TopLevelGrammar;
use serde_json::{Map, Value, json};

/// Limits the bytes of a form as JSON or text: what is larger is a mistake, or an attack.
const MAX_BYTES: usize = 256 << 10;

/// Returns a schema whose JSON has one line, with a space behind commas and colons, as Python writes
/// it and models have read it. White space is not the model's to choose: a small one may write it
/// without end, and what is certain costs no step.
fn spaced(schema: &Value) -> Value {
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
}

impl Form {
    /// Returns the form of any JSON object.
    pub fn json_object() -> Self {
        Self::JsonSchema(json!({"type": "object"}))
    }

    /// Returns the grammar that llguidance compiles.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for a form that is too large.
    pub(super) fn grammar(&self) -> Result<TopLevelGrammar> {
        let size = match self {
            Self::JsonSchema(schema) => schema.to_string().len(),
            Self::Regex(text) | Self::Lark(text) => text.len(),
        };
        if size > MAX_BYTES {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("The form of the answer has {size} bytes; it may have {MAX_BYTES}."),
            ));
        }
        Ok(match self {
            Self::JsonSchema(schema) => TopLevelGrammar::from_json_schema(spaced(schema)),
            Self::Regex(regex) => TopLevelGrammar::from_regex(regex),
            Self::Lark(grammar) => TopLevelGrammar::from_lark(grammar.clone()),
        })
    }
}
