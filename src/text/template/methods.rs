//! Methods of Python's strings, lists and dictionaries that minijinja-contrib lacks or takes fewer
//! arguments for.

use super::arguments::bind;
use super::display::is_printable;
use super::view::View;
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

/// Calls a method. What multiplies lengths is paid for before it runs.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let ours = match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            of_string(state, text, method, arguments)?
        }
        ValueKind::Map => of_map(value, method, arguments)?,
        ValueKind::Seq | ValueKind::Iterable => of_list(value, method, arguments)?,
        _ => None,
    };
    if let Some(result) = ours {
        return Ok(result);
    }
    if matches!(method, "replace" | "join") {
        let length = |value: &Value| {
            value
                .as_str()
                .map(str::len)
                .or_else(|| value.len())
                .unwrap_or(0) as u64
        };
        let longest = arguments.iter().map(length).max().unwrap_or(0);
        state.consume_fuel(length(value).saturating_mul(longest) / 64)?;
    }
    pycompat::unknown_method_callback(state, value, method, arguments)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Returns an argument that is a string, or none where it is absent or `none`.
fn string(argument: &Option<Value>) -> Result<Option<&str>, Error> {
    match argument {
        None => Ok(None),
        Some(value) if value.is_none() => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(invalid("the argument must be a string")),
        },
    }
}

fn integer(argument: Option<Value>) -> Result<Option<i64>, Error> {
    match argument {
        Some(value) if !value.is_none() => i64::try_from(value).map(Some),
        _ => Ok(None),
    }
}

fn needed<T>(argument: Option<T>) -> Result<T, Error> {
    argument.ok_or_else(|| Error::from(ErrorKind::MissingArgument))
}

/// Tells whether Python takes a character for white space: Rust's and four separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

fn of_map(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let pairs = || -> Result<Vec<(Value, Value)>, Error> {
        value
            .try_iter()?
            .map(|key| Ok((key.clone(), value.get_item(&key)?)))
            .collect()
    };
    let view = match method {
        "keys" => View::Keys(value.try_iter()?.collect()),
        "values" => View::Values(pairs()?.into_iter().map(|(_, value)| value).collect()),
        "items" => {
            let tuple = |(key, value)| Value::from(Tuple::from([key, value]));
            View::Items(pairs()?.into_iter().map(tuple).collect())
        }
        "copy" => return Ok(Some(Value::from_pairs(pairs()?))),
        _ => return Ok(None),
    };
    let [] = bind(method, arguments, [])?;
    Ok(Some(Value::from_object(view)))
}

fn of_list(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "copy" => {
            let [] = bind(method, arguments, [])?;
            value.try_iter()?.collect()
        }
        "index" => {
            let [wanted] = bind(method, arguments, ["value"])?;
            let wanted = needed(wanted)?;
            let index = value.try_iter()?.position(|item| item == wanted);
            Value::from(index.ok_or_else(|| invalid("the value is not in the list"))?)
        }
        "count" => {
            let [wanted] = bind(method, arguments, ["value"])?;
            let wanted = needed(wanted)?;
            Value::from(value.try_iter()?.filter(|item| *item == wanted).count())
        }
        _ => return Ok(None),
    }))
}

fn of_string(
    state: &State,
    text: &str,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "split" | "rsplit" => {
            let [separator, limit] = bind(method, arguments, ["sep", "maxsplit"])?;
            let limit = integer(limit)?.and_then(|limit| usize::try_from(limit).ok());
            let is_reversed = method == "rsplit";
            let pieces = split(text, string(&separator)?, limit, is_reversed)?;
            state.consume_fuel(pieces.len() as u64)?;
            pieces.into_iter().map(Value::from).collect()
        }
        "splitlines" => {
            let [keep] = bind(method, arguments, ["keepends"])?;
            lines(text, keep.is_some_and(|keep| keep.is_true()))
        }
        "partition" | "rpartition" => {
            let [separator] = bind(method, arguments, ["sep"])?;
            let separator = needed(string(&separator)?)?;
            if separator.is_empty() {
                return Err(invalid("the separator is empty"));
            }
            let parts = if method == "partition" {
                let parts = text.split_once(separator);
                parts.map_or([text, "", ""], |(a, b)| [a, separator, b])
            } else {
                let parts = text.rsplit_once(separator);
                parts.map_or(["", "", text], |(a, b)| [a, separator, b])
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" => {
            let [prefix] = bind(method, arguments, ["prefix"])?;
            Value::from(text.strip_prefix(needed(string(&prefix)?)?).unwrap_or(text))
        }
        "removesuffix" => {
            let [suffix] = bind(method, arguments, ["suffix"])?;
            Value::from(text.strip_suffix(needed(string(&suffix)?)?).unwrap_or(text))
        }
        "strip" | "lstrip" | "rstrip" => {
            let [characters] = bind(method, arguments, ["chars"])?;
            let characters = string(&characters)?;
            let is_cut = |c: char| characters.map_or_else(|| is_space(c), |cut| cut.contains(c));
            Value::from(match method {
                "strip" => text.trim_matches(is_cut),
                "lstrip" => text.trim_start_matches(is_cut),
                _ => text.trim_end_matches(is_cut),
            })
        }
        "find" | "rfind" | "index" | "rindex" => {
            let [wanted, start, end] = bind(method, arguments, ["sub", "start", "end"])?;
            let (offset, part) = window(text, integer(start)?, integer(end)?);
            let wanted = needed(string(&wanted)?)?;
            let found = part.and_then(|part| {
                let at = if method.starts_with('r') {
                    part.rfind(wanted)
                } else {
                    part.find(wanted)
                };
                at.map(|at| offset + part[..at].chars().count())
            });
            match found {
                Some(at) => Value::from(at),
                None if method.ends_with("find") => Value::from(-1),
                None => return Err(invalid("substring not found")),
            }
        }
        "count" => {
            let [wanted, start, end] = bind(method, arguments, ["sub", "start", "end"])?;
            let (_, part) = window(text, integer(start)?, integer(end)?);
            let wanted = needed(string(&wanted)?)?;
            Value::from(part.map_or(0, |part| part.matches(wanted).count()))
        }
        "startswith" | "endswith" => {
            let [wanted, start, end] = bind(method, arguments, ["prefix", "start", "end"])?;
            let (_, part) = window(text, integer(start)?, integer(end)?);
            let wanted = needed(wanted)?;
            let fits = |wanted: &Value| match (part, wanted.as_str()) {
                (_, None) => Err(invalid(
                    "the argument must be a string or a tuple of strings",
                )),
                (Some(part), Some(wanted)) if method == "startswith" => {
                    Ok(part.starts_with(wanted))
                }
                (Some(part), Some(wanted)) => Ok(part.ends_with(wanted)),
                (None, Some(_)) => Ok(false),
            };
            if matches!(wanted.kind(), ValueKind::Seq) {
                let fits: Vec<bool> = wanted
                    .try_iter()?
                    .map(|wanted| fits(&wanted))
                    .collect::<Result<_, _>>()?;
                Value::from(fits.contains(&true))
            } else {
                Value::from(fits(&wanted)?)
            }
        }
        "center" | "ljust" | "rjust" | "zfill" => {
            let [width, fill] = bind(method, arguments, ["width", "fillchar"])?;
            let width = needed(integer(width)?)?;
            let fill = string(&fill)?.unwrap_or(if method == "zfill" { "0" } else { " " });
            pad(state, text, method, width, fill)?
        }
        "title" => {
            let [] = bind(method, arguments, [])?;
            let mut is_start = true;
            let mut titled = String::with_capacity(text.len());
            for c in text.chars() {
                if is_start {
                    titled.extend(c.to_uppercase());
                } else {
                    titled.extend(c.to_lowercase());
                }
                is_start = !c.is_alphabetic();
            }
            Value::from(titled)
        }
        "swapcase" => {
            let [] = bind(method, arguments, [])?;
            let mut swapped = String::with_capacity(text.len());
            for c in text.chars() {
                if c.is_uppercase() {
                    swapped.extend(c.to_lowercase());
                } else {
                    swapped.extend(c.to_uppercase());
                }
            }
            Value::from(swapped)
        }
        "casefold" => {
            let [] = bind(method, arguments, [])?;
            Value::from(text.to_lowercase().replace('ß', "ss"))
        }
        "isprintable" => Value::from(text.chars().all(is_printable)),
        "isdecimal" => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        "isidentifier" => Value::from(
            text.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && text.chars().all(|c| c.is_alphanumeric() || c == '_'),
        ),
        _ => return Ok(None),
    }))
}

/// Splits as Python's `str.split`: without a separator at runs of white space.
fn split<'a>(
    text: &'a str,
    separator: Option<&str>,
    limit: Option<usize>,
    is_reversed: bool,
) -> Result<Vec<&'a str>, Error> {
    let mut pieces = Vec::new();
    let is_full = |pieces: &Vec<&str>| limit.is_some_and(|limit| pieces.len() >= limit);
    let mut rest = text;
    match separator {
        Some("") => return Err(invalid("the separator is empty")),
        Some(separator) => {
            while !is_full(&pieces) {
                let halves = if is_reversed {
                    rest.rsplit_once(separator)
                        .map(|(rest, piece)| (piece, rest))
                } else {
                    rest.split_once(separator)
                };
                let Some((piece, others)) = halves else { break };
                pieces.push(piece);
                rest = others;
            }
            pieces.push(rest);
        }
        None => loop {
            rest = if is_reversed {
                rest.trim_end_matches(is_space)
            } else {
                rest.trim_start_matches(is_space)
            };
            if rest.is_empty() {
                break;
            }
            if is_full(&pieces) {
                pieces.push(rest);
                break;
            }
            let halves = if is_reversed {
                let space = rest.char_indices().rfind(|&(_, c)| is_space(c));
                space.map(|(at, c)| (&rest[at + c.len_utf8()..], &rest[..at]))
            } else {
                rest.find(is_space).map(|at| rest.split_at(at))
            };
            let (piece, others) = halves.unwrap_or((rest, ""));
            pieces.push(piece);
            rest = others;
        },
    }
    if is_reversed {
        pieces.reverse();
    }
    Ok(pieces)
}

/// Splits at the ends of lines that Python knows.
fn lines(text: &str, keeps_ends: bool) -> Value {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let is_end = |c| {
            matches!(
                c,
                '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'
                    ..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let at = rest.find(is_end).unwrap_or(rest.len());
        let behind = &rest[at..];
        let end = if behind.starts_with("\r\n") {
            2
        } else {
            behind.chars().next().map_or(0, char::len_utf8)
        };
        lines.push(&rest[..if keeps_ends { at + end } else { at }]);
        rest = &rest[at + end..];
    }
    lines.into_iter().map(Value::from).collect()
}

/// Returns the part of a text between two places counted in characters, from the end where they are
/// negative, and where it begins. The part is `None` where the text ends before it.
fn window(text: &str, start: Option<i64>, end: Option<i64>) -> (usize, Option<&str>) {
    if start.is_none() && end.is_none() {
        return (0, Some(text));
    }
    let length = text.chars().count() as i64;
    let place = |place: i64| {
        if place < 0 {
            (place + length).max(0)
        } else {
            place
        }
    };
    let (start, end) = (
        place(start.unwrap_or(0)),
        place(end.unwrap_or(length)).min(length),
    );
    if start > end {
        return (0, None);
    }
    let byte = |place: i64| {
        let indices = text.char_indices().map(|(at, _)| at);
        indices
            .chain([text.len()])
            .nth(place as usize)
            .unwrap_or(text.len())
    };
    (start as usize, text.get(byte(start)..byte(end)))
}

/// Makes a text `width` characters wide.
fn pad(state: &State, text: &str, method: &str, width: i64, fill: &str) -> Result<Value, Error> {
    if fill.chars().count() != 1 {
        return Err(invalid("the fill character must be one character"));
    }
    let length = text.chars().count();
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(length);
    state.consume_fuel(missing as u64 / 16)?;
    let filled = |count: usize| fill.repeat(count);
    Ok(Value::from(match method {
        "ljust" => text.to_owned() + &filled(missing),
        "rjust" => filled(missing) + text,
        "zfill" => {
            let sign = text.len() - text.trim_start_matches(['-', '+']).len();
            let sign = sign.min(1);
            format!("{}{}{}", &text[..sign], filled(missing), &text[sign..])
        }
        _ => {
            // Python puts the odd one to the left where the width is odd, too.
            let left = missing / 2 + (missing & width as usize & 1);
            filled(left) + text + &filled(missing - left)
        }
    }))
}
