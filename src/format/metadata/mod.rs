//! Metadata is what a model file says of itself, as keys and typed values.

mod value;

pub use value::{Array, StringArray, Value};

use crate::{Code, Error, Result};
use std::collections::BTreeMap;

/// Holds the key-value pairs of a GGUF file, in the order of their keys.
///
/// A getter returns an error where the key is absent or its value is of another type; each `opt_`
/// getter returns `None` where the key is absent.
///
/// ```
/// use siskin::{Code, format::metadata::Metadata};
///
/// let mut metadata = Metadata::new();
/// metadata.insert("general.architecture", "llama");
/// metadata.insert("llama.block_count", 16_u32);
/// assert_eq!(metadata.str("general.architecture")?, "llama");
/// assert_eq!(metadata.u64("llama.block_count")?, 16);
/// assert_eq!(metadata.opt_f32("llama.rope.freq_base")?, None);
/// assert_eq!(metadata.u64("general.architecture").unwrap_err().code, Code::Metadata);
/// # Ok::<(), siskin::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    values: BTreeMap<Box<str>, Value>,
}

impl Metadata {
    /// Makes metadata without any key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a key and returns the value that it had.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Value>) -> Option<Value> {
        self.values.insert(key.into(), value.into())
    }

    /// Returns the value at `key`, of whatever type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Iterates over keys and values, in the order of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (&**key, value))
    }

    /// Returns the string at `key`.
    ///
    /// # Errors
    /// `metadata` if the key is absent or its value is of another type.
    pub fn str(&self, key: &str) -> Result<&str> {
        required(key, self.opt_str(key))
    }

    /// Returns the integer at `key`, whatever its width.
    ///
    /// # Errors
    /// `metadata` if the key is absent or its value is no integer, or negative.
    pub fn u64(&self, key: &str) -> Result<u64> {
        required(key, self.opt_u64(key))
    }

    /// Returns the float at `key`, of 32 or 64 bits.
    ///
    /// # Errors
    /// `metadata` if the key is absent or its value is no float, NaN or infinite.
    pub fn f32(&self, key: &str) -> Result<f32> {
        required(key, self.opt_f32(key))
    }

    /// Returns the bool at `key`.
    ///
    /// # Errors
    /// `metadata` if the key is absent or its value is of another type.
    pub fn bool(&self, key: &str) -> Result<bool> {
        required(key, self.opt_bool(key))
    }

    /// Returns the strings at `key`.
    ///
    /// # Errors
    /// `metadata` if the key is absent or its value is of another type.
    pub fn string_array(&self, key: &str) -> Result<&StringArray> {
        required(key, self.opt_string_array(key))
    }

    /// Returns the floats of 32 bits at `key`, which may be NaN or infinite.
    ///
    /// # Errors
    /// `metadata` if the key is absent or its value is of another type.
    pub fn f32_array(&self, key: &str) -> Result<&[f32]> {
        required(key, self.opt_f32_array(key))
    }

    /// Returns the signed integers of 32 bits at `key`.
    ///
    /// # Errors
    /// `metadata` if the key is absent or its value is of another type.
    pub fn i32_array(&self, key: &str) -> Result<&[i32]> {
        required(key, self.opt_i32_array(key))
    }

    /// Returns the string at `key`, `None` if the key is absent.
    ///
    /// # Errors
    /// `metadata` if the value is of another type.
    pub fn opt_str(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a string", |value| match value {
            Value::String(text) => Some(&**text),
            _ => None,
        })
    }

    /// Returns the integer at `key`, whatever its width, `None` if the key is absent.
    ///
    /// # Errors
    /// `metadata` if the value is no integer, or negative.
    pub fn opt_u64(&self, key: &str) -> Result<Option<u64>> {
        self.typed(
            key,
            "an integer that is not negative",
            |value| match *value {
                Value::U8(n) => Some(n.into()),
                Value::U16(n) => Some(n.into()),
                Value::U32(n) => Some(n.into()),
                Value::U64(n) => Some(n),
                Value::I8(n) => n.try_into().ok(),
                Value::I16(n) => n.try_into().ok(),
                Value::I32(n) => n.try_into().ok(),
                Value::I64(n) => n.try_into().ok(),
                _ => None,
            },
        )
    }

    /// Returns the float at `key`, of 32 or 64 bits, `None` if the key is absent.
    ///
    /// # Errors
    /// `metadata` if the value is no float, NaN or infinite.
    pub fn opt_f32(&self, key: &str) -> Result<Option<f32>> {
        self.typed(key, "a finite float", |value| {
            let number = match *value {
                Value::F32(number) => number,
                Value::F64(number) => number as f32,
                _ => return None,
            };
            number.is_finite().then_some(number)
        })
    }

    /// Returns the bool at `key`, `None` if the key is absent.
    ///
    /// # Errors
    /// `metadata` if the value is of another type.
    pub fn opt_bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "a bool", |value| match *value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        })
    }

    /// Returns the strings at `key`, `None` if the key is absent.
    ///
    /// # Errors
    /// `metadata` if the value is of another type.
    pub fn opt_string_array(&self, key: &str) -> Result<Option<&StringArray>> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(Array::String(strings)) => Some(strings),
            _ => None,
        })
    }

    /// Returns the floats of 32 bits at `key`, `None` if the key is absent.
    ///
    /// # Errors
    /// `metadata` if the value is of another type.
    pub fn opt_f32_array(&self, key: &str) -> Result<Option<&[f32]>> {
        self.typed(key, "an array of f32", |value| match value {
            Value::Array(Array::F32(numbers)) => Some(&**numbers),
            _ => None,
        })
    }

    /// Returns the signed integers of 32 bits at `key`, `None` if the key is absent.
    ///
    /// # Errors
    /// `metadata` if the value is of another type.
    pub fn opt_i32_array(&self, key: &str) -> Result<Option<&[i32]>> {
        self.typed(key, "an array of i32", |value| match value {
            Value::Array(Array::I32(numbers)) => Some(&**numbers),
            _ => None,
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(mistyped(key, wanted, value)),
        }
    }
}

fn mistyped(key: &str, wanted: &str, value: &Value) -> Error {
    Error::new(
        Code::Metadata,
        format!(
            "The model's `{key}` should be {wanted} but is {}; choose another conversion of the \
             model.",
            value.describe()
        ),
    )
}

fn required<T>(key: &str, value: Result<Option<T>>) -> Result<T> {
    value?.ok_or_else(|| absent(key))
}

fn absent(key: &str) -> Error {
    Error::new(
        Code::Metadata,
        format!(
            "The model file lacks `{key}`; choose another conversion of the model, or a file that \
             holds a language model."
        ),
    )
}
