//! Names the forms that an answer can be held to, and compiles them.

use crate::{Code, Error, Result};
use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};

/// Limits the bytes of a form as JSON or text: what is larger is a mistake, or an attack.
const MAX_BYTES: usize = 256 << 10;

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

    /// Returns the form of one of these texts.
    pub fn choice(texts: &[String]) -> Self {
        let texts: Vec<String> = texts
            .iter()
            .map(|text| Value::from(text.as_str()).to_string())
            .collect();
        Self::Lark(format!("start: {}", texts.join(" | ")))
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
            Self::JsonSchema(schema) => TopLevelGrammar::from_json_schema(schema.clone()),
            Self::Regex(regex) => TopLevelGrammar::from_regex(regex),
            Self::Lark(grammar) => TopLevelGrammar::from_lark(grammar.clone()),
        })
    }
}
