//! Values are written as Python's `str` and `repr` write them.

use super::view::View;
use crate::text::category::is_separator_or_other;
use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use std::fmt::Write;

/// A value nested deeper than this is refused: no chat needs it, and the recursion must not
/// overflow the stack.
const MAX_DEPTH: usize = 128;

/// Returns the value as Python's `str` writes it.
pub(super) fn to_str(state: &State, value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    match value.kind() {
        ValueKind::Number if !value.is_integer() => number(&mut text, value)?,
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            repr(state, &mut text, value, 0)?;
        }
        _ => text = value.to_string(),
    }
    Ok(text)
}

fn number(text: &mut String, value: &Value) -> Result<(), Error> {
    let number = f64::try_from(value.clone())?;
    if number.is_finite() {
        text.push_str(&float(number));
    } else {
        text.push_str(match number {
            f64::INFINITY => "inf",
            f64::NEG_INFINITY => "-inf",
            _ => "nan",
        });
    }
    Ok(())
}

fn repr(state: &State, text: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(
            ErrorKind::BadSerialization,
            "the value is nested too deeply",
        ));
    }
    state.consume_fuel(1 + value.as_str().map_or(0, str::len) as u64 / 64)?;
    let items = |text: &mut String, [open, close]: [&str; 2]| -> Result<usize, Error> {
        let mut count = 0;
        text.push_str(open);
        for item in value.try_iter()? {
            if count > 0 {
                text.push_str(", ");
            }
            count += 1;
            repr(state, text, &item, depth + 1)?;
            if value.kind() == ValueKind::Map {
                text.push_str(": ");
                repr(state, text, &value.get_item(&item)?, depth + 1)?;
            }
        }
        // Python tells a tuple of one from brackets by a comma.
        if count == 1 && value.is_tuple() {
            text.push(',');
        }
        text.push_str(close);
        Ok(count)
    };
    match value.kind() {
        ValueKind::Number if !value.is_integer() => number(text, value)?,
        ValueKind::String => string(text, value.as_str().unwrap_or_default()),
        ValueKind::Undefined => text.push_str("Undefined"),
        ValueKind::Seq if value.is_tuple() => {
            items(text, ["(", ")"])?;
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let marks = match value.downcast_object_ref() {
                Some(View::Keys(_)) => ["dict_keys([", "])"],
                Some(View::Values(_)) => ["dict_values([", "])"],
                Some(View::Items(_)) => ["dict_items([", "])"],
                None => ["[", "]"],
            };
            items(text, marks)?;
        }
        ValueKind::Map => {
            items(text, ["{", "}"])?;
        }
        ValueKind::Invalid => {
            return Err(Error::new(ErrorKind::BadSerialization, value.to_string()));
        }
        _ => text.push_str(&value.to_string()),
    }
    Ok(())
}

/// Writes a string as Python's `repr`: in single quotes unless it holds only those, and with
/// escapes for what is not printable.
fn string(text: &mut String, value: &str) {
    let quote = if value.contains('\'') && !value.contains('"') {
        '"'
    } else {
        '\''
    };
    text.push(quote);
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if c == quote => {
                text.push('\\');
                text.push(c);
            }
            _ if is_printable(c) => text.push(c),
            _ => {
                let code = c as u32;
                // Writing to a String does not fail.
                let _ = match code {
                    0..=0xff => write!(text, "\\x{code:02x}"),
                    0x100..=0xffff => write!(text, "\\u{code:04x}"),
                    _ => write!(text, "\\U{code:08x}"),
                };
            }
        }
    }
    text.push(quote);
}

/// Tells whether Python's `str.isprintable` holds of a character.
pub(super) fn is_printable(c: char) -> bool {
    c == ' ' || !is_separator_or_other(c)
}

/// Writes a float as Python's `repr`: the shortest digits that read back the same, as Rust has
/// them, with Python's exponent (`1e+16`, `1e-05`).
pub(super) fn float(value: f64) -> String {
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_spelled_as_python_does() {
        let expected = [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (1e-4, "0.0001"),
            (-1e300, "-1e+300"),
        ];
        for (value, text) in expected {
            assert_eq!(float(value), text);
        }
    }
}
