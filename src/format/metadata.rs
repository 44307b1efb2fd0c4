//! What a model file says of itself: keys and typed values.

use crate::{Code, Error, Result};
use std::collections::BTreeMap;

/// The key-value pairs of a GGUF file, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    values: BTreeMap<Box<str>, Value>,
}

/// One value. Types are GGUF's own; arrays hold one type and no arrays.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(Box<str>),
    Array(Array),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    U8(Box<[u8]>),
    I8(Box<[i8]>),
    U16(Box<[u16]>),
    I16(Box<[i16]>),
    U32(Box<[u32]>),
    I32(Box<[i32]>),
    U64(Box<[u64]>),
    I64(Box<[i64]>),
    F32(Box<[f32]>),
    F64(Box<[f64]>),
    Bool(Box<[bool]>),
    String(StringArray),
}

/// Many strings end to end in one allocation, for a vocabulary has 150,000 short ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringArray {
    text: Box<str>,
    /// Where each string ends in `text`, in bytes; it begins where the one before it ends.
    ends: Box<[usize]>,
}

impl Metadata {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value and gives back the one that the key had.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Value>) -> Option<Value> {
        self.values.insert(key.into(), value.into())
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Keys and values, in the order of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (&**key, value))
    }

    /// The string at `key`. Errors: `metadata` if it is absent or of another type, as for all the getters here.
    pub fn str(&self, key: &str) -> Result<&str> {
        required(key, self.opt_str(key))
    }

    /// The integer at `key`, whatever its width; not negative.
    pub fn u64(&self, key: &str) -> Result<u64> {
        required(key, self.opt_u64(key))
    }

    /// The float at `key`, of 32 or 64 bits; neither NaN nor infinite.
    pub fn f32(&self, key: &str) -> Result<f32> {
        required(key, self.opt_f32(key))
    }

    pub fn bool(&self, key: &str) -> Result<bool> {
        required(key, self.opt_bool(key))
    }

    pub fn string_array(&self, key: &str) -> Result<&StringArray> {
        required(key, self.opt_string_array(key))
    }

    /// The floats at `key`, which may be NaN or infinite.
    pub fn f32_array(&self, key: &str) -> Result<&[f32]> {
        required(key, self.opt_f32_array(key))
    }

    pub fn i32_array(&self, key: &str) -> Result<&[i32]> {
        required(key, self.opt_i32_array(key))
    }

    /// As `str`, but `None` if the key is absent; so with every `opt_`.
    pub fn opt_str(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a string", |value| match value {
            Value::String(text) => Some(&**text),
            _ => None,
        })
    }

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

    pub fn opt_bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "a bool", |value| match *value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        })
    }

    pub fn opt_string_array(&self, key: &str) -> Result<Option<&StringArray>> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(Array::String(strings)) => Some(strings),
            _ => None,
        })
    }

    pub fn opt_f32_array(&self, key: &str) -> Result<Option<&[f32]>> {
        self.typed(key, "an array of f32", |value| match value {
            Value::Array(Array::F32(numbers)) => Some(&**numbers),
            _ => None,
        })
    }

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
            None => Err(Error::new(
                Code::Metadata,
                format!(
                    "The model's `{key}` should be {wanted} but is {}; choose another conversion of the model.",
                    value.describe()
                ),
            )),
        }
    }
}

fn required<T>(key: &str, value: Result<Option<T>>) -> Result<T> {
    value?.ok_or_else(|| {
        Error::new(
            Code::Metadata,
            format!("The model file lacks `{key}`; choose another conversion of the model, or a file that holds a language model."),
        )
    })
}

impl Value {
    /// Type, and value where it is a number: "the f32 NaN", "an array".
    fn describe(&self) -> String {
        match self {
            Value::U8(n) => format!("the u8 {n}"),
            Value::I8(n) => format!("the i8 {n}"),
            Value::U16(n) => format!("the u16 {n}"),
            Value::I16(n) => format!("the i16 {n}"),
            Value::U32(n) => format!("the u32 {n}"),
            Value::I32(n) => format!("the i32 {n}"),
            Value::U64(n) => format!("the u64 {n}"),
            Value::I64(n) => format!("the i64 {n}"),
            Value::F32(n) => format!("the f32 {n}"),
            Value::F64(n) => format!("the f64 {n}"),
            Value::Bool(_) => "a bool".into(),
            Value::String(_) => "a string".into(),
            Value::Array(array) => format!("an array of {}", array.item_type()),
        }
    }
}

impl Array {
    pub fn len(&self) -> usize {
        match self {
            Array::U8(items) => items.len(),
            Array::I8(items) => items.len(),
            Array::U16(items) => items.len(),
            Array::I16(items) => items.len(),
            Array::U32(items) => items.len(),
            Array::I32(items) => items.len(),
            Array::U64(items) => items.len(),
            Array::I64(items) => items.len(),
            Array::F32(items) => items.len(),
            Array::F64(items) => items.len(),
            Array::Bool(items) => items.len(),
            Array::String(items) => items.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items' type: "f32", "string".
    pub fn item_type(&self) -> &'static str {
        match self {
            Array::U8(_) => "u8",
            Array::I8(_) => "i8",
            Array::U16(_) => "u16",
            Array::I16(_) => "i16",
            Array::U32(_) => "u32",
            Array::I32(_) => "i32",
            Array::U64(_) => "u64",
            Array::I64(_) => "i64",
            Array::F32(_) => "f32",
            Array::F64(_) => "f64",
            Array::Bool(_) => "bool",
            Array::String(_) => "string",
        }
    }
}

impl StringArray {
    /// Takes strings end to end and where each ends, in bytes. `None` if that is not UTF-8, or an end lies outside or before its
    /// string's beginning.
    pub(super) fn from_parts(text: Vec<u8>, ends: Vec<usize>) -> Option<Self> {
        let text = String::from_utf8(text).ok()?;
        let mut start = 0;
        for &end in &ends {
            text.get(start..end)?;
            start = end;
        }
        Some(Self {
            text: text.into(),
            ends: ends.into(),
        })
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |&end| end);
        self.text.get(start..end)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }
}

impl<S: AsRef<str>> FromIterator<S> for StringArray {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for string in strings {
            text.push_str(string.as_ref());
            ends.push(text.len());
        }
        Self {
            text: text.into(),
            ends: ends.into(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.into())
    }
}

impl From<StringArray> for Value {
    fn from(strings: StringArray) -> Self {
        Value::Array(Array::String(strings))
    }
}

macro_rules! value_from {
    ($($type:ty => $variant:ident,)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Value::$variant(value)
            }
        }

        impl From<Vec<$type>> for Value {
            fn from(items: Vec<$type>) -> Self {
                Value::Array(Array::$variant(items.into()))
            }
        }
    )*};
}

value_from! {
    u8 => U8, i8 => I8, u16 => U16, i16 => I16, u32 => U32, i32 => I32, u64 => U64, i64 => I64, f32 => F32, f64 => F64, bool => Bool,
}
