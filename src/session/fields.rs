//! Takes the named options of a call one by one, so that an error can name the one that is wrong.

use crate::{Code, Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Holds the options of a call that have not been taken.
pub struct Fields {
    rest: Map<String, Value>,
    taken: Vec<&'static str>,
}

impl From<Map<String, Value>> for Fields {
    fn from(rest: Map<String, Value>) -> Self {
        let taken = Vec::new();
        Self { rest, taken }
    }
}

impl Fields {
    /// Takes the field `name`. Returns its value, or `None` where it is absent or null.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when the value is of another type.
    pub fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>> {
        let value = self.take_value(name).map(serde_json::from_value);
        value.transpose().map_err(|error| wrong(name, &error))
    }

    /// Takes what stands at `name`, whatever its type; `None` for null.
    fn take_value(&mut self, name: &'static str) -> Option<Value> {
        self.taken.push(name);
        let value = self.rest.shift_remove(name);
        value.filter(|value| !value.is_null())
    }

    /// Checks that every field was taken.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when a field is left: there is no such option.
    pub fn finish(self) -> Result<()> {
        match self.rest.keys().next() {
            None => Ok(()),
            Some(unknown) => Err(invalid(format!(
                "There is no option {unknown:?}; the options are {}.",
                self.taken.join(", ")
            ))),
        }
    }
}

fn wrong(name: &str, error: &serde_json::Error) -> Error {
    let why = in_json_words(&error.to_string());
    invalid(format!("`{name}` is wrong: {why}."))
}

/// Lists serde's words for types, which are Rust's, with JSON's for the same.
const WORDS: [(&str, &str); 11] = [
    ("expected usize", "expected a whole number from 0"),
    ("expected u64", "expected a whole number from 0"),
    ("expected u32", "expected a whole number from 0"),
    ("expected i64", "expected a whole number"),
    ("expected f32", "expected a number"),
    ("expected a boolean", "expected true or false"),
    ("expected a sequence", "expected an array"),
    ("expected a map", "expected an object"),
    ("invalid type: map", "invalid type: object"),
    ("invalid type: sequence", "invalid type: array"),
    ("floating point", "number"),
];

/// Returns serde's message in the words of those who write JSON and JavaScript.
fn in_json_words(message: &str) -> String {
    let mut text = message.to_owned();
    for (rust, json) in WORDS {
        text = text.replace(rust, json);
    }
    text
}

/// Makes the error of a request.
pub(super) fn invalid(message: String) -> Error {
    Error::new(Code::InvalidArgument, message)
}
