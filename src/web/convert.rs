//! Values between Rust and JavaScript. They cross as JSON: it is small, and the engine already has a parser that refuses unknown fields.

use crate::{Code, Error, Result};
use js_sys::{JSON, Reflect};
use serde::Serialize;
use wasm_bindgen::JsValue;

/// A JavaScript value as JSON; undefined is `{}`. Errors: `invalid_argument` for what JSON cannot say.
pub fn from_js(value: &JsValue) -> Result<String> {
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

/// A value of the engine's own as a JavaScript object. Its error has no code: it would be a bug.
pub fn to_js(value: &impl Serialize) -> std::result::Result<JsValue, JsValue> {
    let json =
        serde_json::to_string(value).map_err(|error| js_sys::Error::new(&error.to_string()))?;
    JSON::parse(&json)
}

/// A JavaScript `Error` with `code` and `message`.
impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let js_error = js_sys::Error::new(&error.message);
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&js_error, &"code".into(), &error.code.as_str().into());
        js_error.into()
    }
}
