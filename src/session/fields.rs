//! The named options of a call, taken one by one, so that an error can say which is wrong.

use crate::{Code, Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub struct Fields {
    rest: Map<String, Value>,
    taken: Vec<&'static str>,
}

impl Fields {
    /// Errors: `invalid_argument` when `json` is not an object.
    pub fn from_json(json: &str) -> Result<Self> {
        let rest = serde_json::from_str(json)
            .map_err(|error| invalid(format!("The options are no plain object: {error}.")))?;
        Ok(Self {
            rest,
            taken: Vec::new(),
        })
    }

    /// The field's value; none where it is absent or null. Errors: `invalid_argument` when it is of another type.
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

    /// Errors: `invalid_argument` when a field is left that nobody took.
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
