//! Reads an answer that is a list of Python's calls: `[f(a=1, b="x"), g()]`. Behind a marker, text
//! may follow.

use super::{
    piece::{Piece, ToolCall, push_content},
    tool_format::PYTHON_MARKERS,
};
use serde_json::{Map, Number, Value};

const OPEN: &str = PYTHON_MARKERS[0];
const CLOSE: &str = PYTHON_MARKERS[1];
/// Literals nested deeper than this are no calls.
const MAX_DEPTH: usize = 64;

/// Reads an answer that may be a list of calls.
#[derive(Default)]
pub(super) struct PythonCalls {
    held: String,
    is_text: bool,
}

impl PythonCalls {
    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.held.push_str(text);
        if self.is_text || !may_be_calls(&self.held) {
            self.is_text = true;
            push_content(std::mem::take(&mut self.held), pieces);
        }
    }

    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        match calls_in(&held) {
            Some((calls, behind)) => {
                pieces.extend(calls.into_iter().map(Piece::Call));
                push_content(behind.to_owned(), pieces);
            }
            None => push_content(held, pieces),
        }
    }
}

/// Returns whether a text may go on to be calls: it has the marker, or `[`, a name and `(`.
fn may_be_calls(text: &str) -> bool {
    let seen = text.trim_start();
    if OPEN.starts_with(seen) || seen.starts_with(OPEN) {
        return true;
    }
    let Some(rest) = seen.strip_prefix('[') else {
        return false;
    };
    let rest = rest.trim_start();
    let name = rest.trim_start_matches(is_name);
    name.is_empty() || (name.len() < rest.len() && name.starts_with('('))
}

/// Returns the calls of a list, at least one, and the text behind it, which only a marker may
/// begin.
fn calls_in(text: &str) -> Option<(Vec<ToolCall>, &str)> {
    let text = text.trim_start();
    let text = text.strip_prefix(OPEN).unwrap_or(text);
    let mut literals = Literals { rest: text };
    let calls = literals.list('[', ']', Literals::call)?;
    let rest = literals.rest.trim_start();
    let behind = rest.strip_prefix(CLOSE);
    let is_end = behind.is_some() || rest.is_empty();
    (is_end && !calls.is_empty()).then(|| (calls, behind.unwrap_or_default().trim_start()))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || "_.-".contains(c)
}

/// Reads Python's literals.
struct Literals<'a> {
    rest: &'a str,
}

impl Literals<'_> {
    fn take(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(word) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn name(&mut self) -> Option<String> {
        let rest = self.rest.trim_start();
        let after = rest.trim_start_matches(is_name);
        self.rest = after;
        let name = &rest[..rest.len() - after.len()];
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// Reads what stands between two brackets, with commas between and perhaps one at the end.
    fn list<T>(
        &mut self,
        open: char,
        close: char,
        item: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (open, close) = (open.to_string(), close.to_string());
        let mut items = Vec::new();
        if !self.take(&open) {
            return None;
        }
        while !self.take(&close) {
            items.push(item(self)?);
            if !self.take(",") {
                return self.take(&close).then_some(items);
            }
        }
        Some(items)
    }

    fn call(&mut self) -> Option<ToolCall> {
        let name = self.name()?;
        let arguments = self.list('(', ')', |literals| {
            let name = literals.name()?;
            literals.take("=").then_some(())?;
            Some((name, literals.literal(0)?))
        })?;
        let arguments = Value::Object(Map::from_iter(arguments)).to_string();
        Some(ToolCall { name, arguments })
    }

    fn literal(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '[' => Some(self.list('[', ']', |it| it.literal(depth + 1))?.into()),
            '(' => Some(self.list('(', ')', |it| it.literal(depth + 1))?.into()),
            '{' => {
                let entry = |it: &mut Self| {
                    let Value::String(name) = it.literal(depth + 1)? else {
                        return None;
                    };
                    it.take(":").then_some(())?;
                    Some((name, it.literal(depth + 1)?))
                };
                Some(Value::Object(Map::from_iter(self.list('{', '}', entry)?)))
            }
            quote @ ('"' | '\'') => self.string(quote).map(Value::String),
            _ => self.word(),
        }
    }

    /// Reads a number, or one of the words of Python and JSON.
    fn word(&mut self) -> Option<Value> {
        let after = self
            .rest
            .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+-._".contains(c));
        let word = &self.rest[..self.rest.len() - after.len()];
        self.rest = after;
        match word {
            "True" | "true" => Some(true.into()),
            "False" | "false" => Some(false.into()),
            "None" | "null" => Some(Value::Null),
            _ => {
                let number: Option<Number> = word.parse::<i64>().ok().map(Number::from);
                let number = number.or_else(|| Number::from_f64(word.parse().ok()?));
                number.map(Value::Number)
            }
        }
    }

    fn string(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = &self.rest[at + c.len_utf8()..];
                return Some(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'u' => {
                    let mut units = vec![unit(&mut chars)?];
                    if (0xd800..0xdc00).contains(&units[0]) {
                        (chars.next()?.1 == '\\' && chars.next()?.1 == 'u').then_some(())?;
                        units.push(unit(&mut chars)?);
                    }
                    text.push_str(&String::from_utf16(&units).ok()?);
                }
                other => text.push(other),
            }
        }
        None
    }
}

/// Reads the four hexadecimal digits of a UTF-16 unit.
fn unit(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<u16> {
    let digits: String = chars.take(4).map(|(_, digit)| digit).collect();
    u16::from_str_radix(&digits, 16).ok()
}
