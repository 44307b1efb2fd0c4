//! Converts values between Rust and JavaScript.
//!
//! Values cross as JSON: it is small, and the engine has a parser that refuses unknown fields
//! anyway.

use crate::{Code, Error, Result};
use js_sys::{JSON, Reflect};
use serde::Serialize;
use wasm_bindgen::JsValue;

/// Returns a JavaScript value as JSON, and `{}` for undefined.
///
/// # Errors
///
/// `invalid_argument` for a value that JSON cannot hold.
pub(super) fn from_js(value: &JsValue) -> Result<String> {
    if value.is_undefined() {
        return Ok("{}".to_owned());
    }
    let json = JSON::stringify(value)
        .ok()
        .and_then(|json| JsValue::from(json).as_string());
    json.ok_or_else(|| {
        Error::new(
            Code::InvalidArgument,
            "The options must be a plain object of strings, numbers, booleans and arrays.",
        )
    })
}

/// Returns a value of the engine's own as a JavaScript object.
///
/// # Errors
///
/// An error without a code, which would be a bug.
pub(super) fn to_js(value: &impl Serialize) -> std::result::Result<JsValue, JsValue> {
    let json =
        serde_json::to_string(value).map_err(|error| js_sys::Error::new(&error.to_string()))?;
    JSON::parse(&json)
}

/// Makes a JavaScript `Error` with the fields `code` and `message`.
impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let js_error = js_sys::Error::new(&error.message);
        // To set a property of a new object cannot fail.
        let _ = Reflect::set(&js_error, &"code".into(), &error.code.as_str().into());
        js_error.into()
    }
}
