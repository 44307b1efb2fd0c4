//! A template's text is cut into tags, and tags into tokens, where Jinja2's lexer cuts them.

use std::ops::Range;

/// Describes a tag of statements or of an expression: its place with its marks, and without them.
pub(super) struct Tag {
    pub(super) start: usize,
    pub(super) inner: Range<usize>,
    pub(super) end: usize,
}

/// Returns the first tag at or after `at`; comments and `raw` blocks are passed over.
pub(super) fn next_tag(source: &str, mut at: usize) -> Option<Tag> {
    loop {
        let start = at + source.get(at..)?.find("{")?;
        let rest = &source[start..];
        if rest.starts_with("{#") {
            at = start + 2 + rest.get(2..)?.find("#}")? + 2;
            continue;
        }
        if !rest.starts_with("{%") && !rest.starts_with("{{") {
            at = start + 1;
            continue;
        }
        let mark = if rest[2..].starts_with(['-', '+']) {
            3
        } else {
            2
        };
        let is_statement = rest.starts_with("{%");
        let close = if is_statement { "%}" } else { "}}" };
        let end = tag_end(&source[start + mark..], close)? + start + mark;
        let inner = &source[start + mark..end];
        let kept = inner.strip_suffix(['-', '+']).unwrap_or(inner);
        let tag = Tag {
            start,
            inner: start + mark..start + mark + kept.len(),
            end: end + 2,
        };
        if is_statement && kept.trim() == "raw" {
            at = raw_end(source, tag.end)?;
            continue;
        }
        return Some(tag);
    }
}

/// Returns where the closing mark of a tag begins, which no string or bracket may hold.
fn tag_end(text: &str, close: &str) -> Option<usize> {
    let (mut brackets, mut at) = (0_usize, 0);
    loop {
        let rest = text.get(at..)?;
        if brackets == 0 && rest.starts_with(close) {
            return Some(at);
        }
        let c = rest.chars().next()?;
        match c {
            '"' | '\'' => at += string_length(rest)?,
            '(' | '[' | '{' => {
                brackets += 1;
                at += 1;
            }
            ')' | ']' | '}' => {
                brackets = brackets.saturating_sub(1);
                at += 1;
            }
            _ => at += c.len_utf8(),
        }
    }
}

/// Returns the length of the string literal that `text` begins with, or `None` where it is open.
fn string_length(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Returns the place behind the `endraw` tag that ends a `raw` block.
fn raw_end(source: &str, mut at: usize) -> Option<usize> {
    loop {
        at += source.get(at..)?.find("{%")? + 2;
        let inner = source[at..].trim_start_matches(['-', '+']).trim_start();
        if let Some(rest) = inner.strip_prefix("endraw") {
            let rest = rest.trim_start().trim_start_matches(['-', '+']);
            if rest.starts_with("%}") {
                return Some(source.len() - rest.len() + 2);
            }
        }
    }
}

/// Names the kinds of tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    String,
    Operator,
    Comma,
    Open,
    Close,
}

/// Describes a token by its kind and its place in the tag.
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// Returns the tokens of a tag; whatever is none of the others is an operator.
pub(super) fn tokens(inner: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = inner[at..].chars().next() {
        let rest = &inner[at..];
        let run = |is_part: fn(char) -> bool| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (kind, length) = match c {
            _ if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '"' | '\'' => (Kind::String, string_length(rest).unwrap_or(rest.len())),
            '0'..='9' => (
                Kind::Number,
                run(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.'),
            ),
            _ if c.is_alphabetic() || c == '_' => {
                (Kind::Name, run(|c| c.is_alphanumeric() || c == '_'))
            }
            '(' | '[' | '{' => (Kind::Open, 1),
            ')' | ']' | '}' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            _ if ["//", "**", "==", "!=", "<=", ">="]
                .iter()
                .any(|operator| rest.starts_with(operator)) =>
            {
                (Kind::Operator, 2)
            }
            _ => (Kind::Operator, c.len_utf8()),
        };
        tokens.push(Token {
            kind,
            range: at..at + length,
        });
        at += length;
    }
    tokens
}
