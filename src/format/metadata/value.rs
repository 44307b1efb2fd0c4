//! The values of metadata are single ones or arrays, of GGUF's types.

/// Holds a value of one of GGUF's types. An array holds values of one type, and no arrays.
#[expect(
    missing_docs,
    reason = "each variant has the name of the type that it holds"
)]
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

/// Holds the values of an array, by their type.
#[expect(
    missing_docs,
    reason = "each variant has the name of the type that it holds"
)]
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

/// Holds many strings end to end in one allocation, for a vocabulary has 150,000 short strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringArray {
    text: Box<str>,
    /// Holds the offset in `text` at which each string ends; it begins where the string before it
    /// ends.
    ends: Box<[usize]>,
}

impl Value {
    /// Returns the type, and the value where it is a number: "the f32 NaN", "an array of u8".
    pub(super) fn describe(&self) -> String {
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

    /// Returns the items of an array of bools.
    pub fn as_bools(&self) -> Option<&[bool]> {
        match self {
            Value::Array(Array::Bool(items)) => Some(items),
            _ => None,
        }
    }

    /// Returns the integers of an array, of whatever width. Returns `None` where this is no array
    /// of integers, or one of them is negative.
    pub fn as_integers(&self) -> Option<Vec<u64>> {
        fn convert<T: Copy + TryInto<u64>>(items: &[T]) -> Option<Vec<u64>> {
            items.iter().map(|&item| item.try_into().ok()).collect()
        }
        match self {
            Value::Array(Array::U8(items)) => convert(items),
            Value::Array(Array::I8(items)) => convert(items),
            Value::Array(Array::U16(items)) => convert(items),
            Value::Array(Array::I16(items)) => convert(items),
            Value::Array(Array::U32(items)) => convert(items),
            Value::Array(Array::I32(items)) => convert(items),
            Value::Array(Array::U64(items)) => convert(items),
            Value::Array(Array::I64(items)) => convert(items),
            _ => None,
        }
    }
}

impl Array {
    /// Returns the number of items.
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

    /// Returns whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the name of the items' type, such as "f32" or "string".
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
    /// Takes strings end to end, and the offset in bytes at which each ends. Returns `None` if the
    /// text is not UTF-8, or an end lies outside it, within a character or before its string's
    /// beginning.
    pub(in crate::format) fn from_parts(text: Vec<u8>, ends: Vec<usize>) -> Option<Self> {
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

    /// Returns the number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no strings.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the string at `index`, `None` past the last.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |&end| end);
        self.text.get(start..end)
    }

    /// Iterates over the strings.
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
    u8 => U8, i8 => I8, u16 => U16, i16 => I16, u32 => U32, i32 => I32, u64 => U64, i64 => I64,
    f32 => F32, f64 => F64, bool => Bool,
}
