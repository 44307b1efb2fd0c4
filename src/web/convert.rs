//! Converts values between Rust and JavaScript, in the form that JSON has.

use crate::{Code, Error, Result};
use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_wasm_bindgen::Serializer;
use std::{fmt, result};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

/// Values nested deeper than this are refused, as serde_json does, and with them all circles.
const MAX_DEPTH: usize = 128;

/// Returns the fields of a JavaScript object, and none of undefined. Must not be called while a
/// state is out of its cell: a getter that throws leaves Rust without a return.
///
/// # Errors
///
/// `invalid_argument` for what JSON cannot hold.
pub(super) fn from_js(value: &JsValue) -> Result<Map<String, Value>> {
    if value.is_undefined() {
        return Ok(Map::new());
    }
    let deserializer = serde_wasm_bindgen::Deserializer::from(value.clone());
    let why = match Plain(MAX_DEPTH).deserialize(deserializer) {
        Ok(Value::Object(fields)) => return Ok(fields),
        Ok(_) => "they are no object".to_owned(),
        Err(error) => error.to_string().replacen("Error: ", "", 1),
    };
    Err(Error::new(
        Code::InvalidArgument,
        format!(
            "The options must be a plain object of strings, numbers, booleans and arrays: {why}."
        ),
    ))
}

/// Reads a value of at most this number of levels.
///
/// serde_json's own reader would make null of NaN, and follow a circle until the stack is full.
#[derive(Clone, Copy)]
struct Plain(usize);

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> result::Result<Value, D::Error> {
        match self.0.checked_sub(1) {
            Some(levels) => deserializer.deserialize_any(Plain(levels)),
            None => Err(D::Error::custom("they are nested too deeply")),
        }
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that JSON can hold")
    }

    fn visit_unit<E>(self) -> result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> result::Result<Value, E> {
        // JSON has no other form of a whole number, however large.
        if value.fract() == 0.0 && value.abs() < i64::MAX as f64 {
            return Ok((value as i64).into());
        }
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom(format_args!("{value} is no finite number")))
    }

    fn visit_string<E>(self, text: String) -> result::Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> result::Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> result::Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key()? {
            object.insert(name, entries.next_value_seed(self)?);
        }
        Ok(object.into())
    }
}

/// Returns a value of the engine's own as a JavaScript object.
///
/// # Errors
///
/// An error without a code, which would be a bug.
pub(super) fn to_js(value: &impl Serialize) -> result::Result<JsValue, JsValue> {
    Ok(value.serialize(&Serializer::json_compatible())?)
}

#[wasm_bindgen]
extern "C" {
    /// A JavaScript `Error` that has a `code`.
    #[wasm_bindgen(extends = js_sys::Error)]
    type CodedError;
    #[wasm_bindgen(method, setter)]
    fn set_code(this: &CodedError, code: &str);
}

/// Makes a JavaScript `Error` with the fields `code` and `message`.
impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let js_error: CodedError = js_sys::Error::new(&error.message).unchecked_into();
        js_error.set_code(error.code.as_str());
        js_error.into()
    }
}
