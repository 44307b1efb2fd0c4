//! Values are written as JSON in the form of Python's `json.dumps`, for which chat templates were
//! made.

use super::arguments::bind;
use super::display::float;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value};
use std::fmt::Write;

/// A value nested deeper than this is refused: no chat needs it, and the recursion must not
/// overflow the stack.
const MAX_DEPTH: usize = 128;

/// Implements the filter `tojson` as Hugging Face defines it for chat templates: `json.dumps` with
/// its separators, letters of all scripts as they are, and nothing escaped for HTML.
///
/// The options are, in this order, `ensure_ascii`, `indent`, `separators` and `sort_keys`.
pub(super) fn tojson(
    state: &State,
    value: &Value,
    arguments: Rest<ValueOrKwargs>,
) -> Result<String, Error> {
    let [ensure_ascii, indent, separators, sort_keys] = bind(
        "tojson",
        &arguments.into_values(),
        ["ensure_ascii", "indent", "separators", "sort_keys"],
    )?
    .map(|option| option.filter(|option| !option.is_none()));
    let is_true = |option: Option<Value>| option.is_some_and(|option| option.is_true());
    let indent = indent.map(usize::try_from).transpose()?;
    let separators = separators
        .map(|separators| -> Result<Vec<String>, Error> {
            Ok(separators
                .try_iter()?
                .map(|separator| separator.to_string())
                .collect())
        })
        .transpose()?;
    let (item_separator, key_separator) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "tojson: separators are two strings",
            ));
        }
        // Where each item has its own line, no space follows the separator.
        None => (
            if indent.is_some() { "," } else { ", " }.to_owned(),
            ": ".to_owned(),
        ),
    };
    let mut json = Json {
        state,
        text: String::new(),
        indent,
        item_separator,
        key_separator,
        ensure_ascii: is_true(ensure_ascii),
        sort_keys: is_true(sort_keys),
    };
    json.value(value, 0)?;
    Ok(json.text)
}

struct Json<'a> {
    /// Holds the state that every value is paid for with, for lists within lists may name one value
    /// many times.
    state: &'a State<'a, 'a>,
    text: String,
    indent: Option<usize>,
    item_separator: String,
    key_separator: String,
    ensure_ascii: bool,
    sort_keys: bool,
}

impl Json<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::BadSerialization,
                "tojson: the value is nested too deeply",
            ));
        }
        self.state.consume_fuel(
            1 + (depth as u64 * self.indent.unwrap_or(0) as u64
                + value.as_str().map_or(0, str::len) as u64)
                / 64,
        )?;
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self
                .text
                .push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number if value.is_integer() => self.text.push_str(&value.to_string()),
            ValueKind::Number => self.text.push_str(&float(f64::try_from(value.clone())?)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                self.items(['[', ']'], value.try_iter()?, depth, |json, item| {
                    json.value(&item, depth + 1)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = Vec::new();
                for key in value.try_iter()? {
                    let at = match self.sort_keys {
                        true => keys.partition_point(|other| *other <= key),
                        false => keys.len(),
                    };
                    keys.insert(at, key);
                }
                self.items(['{', '}'], keys.into_iter(), depth, |json, key| {
                    json.string(&match key.kind() {
                        ValueKind::None => "null".to_owned(),
                        ValueKind::Bool => key.to_string().to_lowercase(),
                        _ => key.to_string(),
                    });
                    let separator = json.key_separator.clone();
                    json.text.push_str(&separator);
                    json.value(&value.get_item(&key)?, depth + 1)
                })?;
            }
            kind => {
                return Err(Error::new(
                    ErrorKind::BadSerialization,
                    format!("tojson: a value of type {kind} has no JSON"),
                ));
            }
        }
        Ok(())
    }

    fn items(
        &mut self,
        [open, close]: [char; 2],
        items: impl Iterator<Item = Value>,
        depth: usize,
        mut write: impl FnMut(&mut Self, Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.text.push(open);
        let mut is_empty = true;
        for item in items {
            if !is_empty {
                let separator = self.item_separator.clone();
                self.text.push_str(&separator);
            }
            is_empty = false;
            self.line(depth + 1);
            write(self, item)?;
        }
        if !is_empty {
            self.line(depth);
        }
        self.text.push(close);
        Ok(())
    }

    /// Begins a new line if items have lines of their own.
    fn line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.text.push('\n');
            self.text
                .extend(std::iter::repeat_n(' ', indent.min(64) * depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                _ if c < ' ' || (self.ensure_ascii && !c.is_ascii()) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        // Writing to a String does not fail.
                        let _ = write!(self.text, "\\u{unit:04x}");
                    }
                }
                _ => self.text.push(c),
            }
        }
        self.text.push('"');
    }
}
