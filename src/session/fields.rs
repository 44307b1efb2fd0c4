//! Takes the named options of a call one by one, so that an error can name the one that is wrong.

use crate::{Code, Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Holds the options of a call that have not been taken.
pub struct Fields {
    rest: Map<String, Value>,
    taken: Vec<&'static str>,
}

impl Fields {
    /// Reads a JSON object.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when `json` is not an object.
    pub fn from_json(json: &str) -> Result<Self> {
        let rest = serde_json::from_str(json)
            .map_err(|error| invalid(format!("The options are no plain object: {error}.")))?;
        Ok(Self {
            rest,
            taken: Vec::new(),
        })
    }

    /// Takes the field `name`. Returns its value, or `None` where it is absent or null.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when the value is of another type.
    pub fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>> {
        self.taken.push(name);
        let value = self
            .rest
            .shift_remove(name)
            .filter(|value| !value.is_null());
        value
            .map(serde_json::from_value)
            .transpose()
            .map_err(|error| invalid(format!("`{name}` is wrong: {error}.")))
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

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidArgument, message)
}
