//! The environment of templates is like that of Hugging Face: minijinja with the filters, functions
//! and methods that Jinja2 and Python have.

use super::source::{BOUND_FILTER, MARKUP_FILTER, PERCENT_FILTER, VARARGS_FUNCTION};
use super::strftime::strftime;
use super::tojson::tojson;
use super::{display, filters, functions, methods};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value, escape_formatter};
use std::fmt;

/// A rendering may cost this much: one for a step of the template, and one for 64 bytes that it
/// writes. The limit is a thousand times what a long chat needs, and a template that loops or
/// doubles for ever ends within a second (`a_hostile_template_ends` in tests/template.rs).
pub(super) const FUEL: u64 = 1_000_000;

/// Macros and blocks may call each other this deep, a macro counting four times. 75 macros are more
/// than a tool's nested schema needs, and few enough for a stack of a megabyte, as browsers have.
const MAX_RECURSION: usize = 300;

/// Names the variable that holds the time, in seconds since 1970.
pub(super) const NOW: &str = "__now";

/// Returns a new environment.
///
/// # Errors
/// Those of minijinja's syntax, whose parts are constants here.
pub(super) fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Number | ValueKind::Seq | ValueKind::Iterable => {
            let text = display::to_str(state, value)?;
            out.write_str(&text).map_err(Error::from)
        }
        // Namespaces and macros are maps, too.
        ValueKind::Map if value.to_string().starts_with('{') => {
            let text = display::to_str(state, value)?;
            out.write_str(&text).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    });
    filters::add(&mut environment);
    environment.add_filter("tojson", tojson);
    environment.add_filter(BOUND_FILTER, functions::bounded);
    environment.add_filter(MARKUP_FILTER, filters::markup_sum);
    environment.add_filter(PERCENT_FILTER, filters::percent);
    environment.add_function(VARARGS_FUNCTION, functions::with_varargs);
    environment.add_function("strftime_now", |state: &State, format: &str| {
        let now = state.lookup(NOW).and_then(|now| i64::try_from(now).ok());
        strftime(format, now.unwrap_or_default())
    });
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message.clone())
                .with_source(Refusal(message)))
        },
    );
    Ok(environment)
}

/// Returns the message of a rendering that failed.
pub(super) fn rendering_failed(error: &Error) -> String {
    match refusal(error) {
        Some(Refusal(why)) => {
            let stop = if why.ends_with(['.', '!', '?']) {
                ""
            } else {
                "."
            };
            format!("The model's chat template refuses these messages: {why}{stop}")
        }
        None => format!(
            "The model's chat template cannot render these messages: {error}. Check their roles \
             and contents."
        ),
    }
}

/// Holds the message that a template passed to `raise_exception`.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Returns the refusal behind an error, however deep in macros and includes it was raised.
fn refusal(error: &minijinja::Error) -> Option<&Refusal> {
    let mut cause: &dyn std::error::Error = error;
    loop {
        cause = cause.source()?;
        if let Some(refusal) = cause.downcast_ref() {
            return Some(refusal);
        }
    }
}

/// Returns the seconds since 1970 on the user's own clock.
#[cfg(target_arch = "wasm32")]
pub(super) fn now_seconds() -> i64 {
    let now = js_sys::Date::new_0();
    (now.get_time() / 1000.0 - now.get_timezone_offset() * 60.0) as i64
}

/// Returns the seconds since 1970 in UTC, for the standard library knows no time zones.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn now_seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs() as i64)
}
