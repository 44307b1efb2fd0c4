//! The splitters (pre-tokenizers) cut text into the pieces within which byte-level BPE merges.
//!
//! Each does by hand what the model's own tokenizer does by a regular expression. `\p{L}` and
//! `\p{N}` are Unicode's general categories, `\s` is its property White_Space.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Names a way to cut text. [`PreTokenizer`](super::pre::PreTokenizer) says which one a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splitter {
    /// Holds the expression `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+|
    /// ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
    Gpt2,
    /// Every `\p{N}` is a piece; the text between them is cut as by [`Splitter::Gpt2`].
    SmolLm,
    /// Holds the expression of tiktoken's cl100k, with single digits:
    ///
    /// ```text
    /// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|
    /// \s*[\r\n]+|\s+(?!\S)|\s+
    /// ```
    Qwen2,
    /// Holds the expression of [`Splitter::Qwen2`] with `\p{N}{1,3}` in place of `\p{N}`.
    Llama3,
}

impl Splitter {
    /// Hands over the pieces of `text` in order; together they are the whole text, and none is
    /// empty.
    pub fn split<'a>(self, text: &'a str, piece: impl FnMut(&'a str)) {
        match self {
            Splitter::Gpt2 => cut(text, gpt2, piece),
            Splitter::SmolLm => split_smollm(text, piece),
            Splitter::Qwen2 => cut(text, |text| tiktoken(text, 1), piece),
            Splitter::Llama3 => cut(text, |text| tiktoken(text, 3), piece),
        }
    }
}

fn split_smollm<'a>(text: &'a str, mut piece: impl FnMut(&'a str)) {
    let mut rest = text;
    while !rest.is_empty() {
        let (between, from_number) = rest.split_at(run(rest, |c| class(c) != Class::Number));
        cut(between, gpt2, &mut piece);
        let (number, after) = from_number.split_at(first_char_len(from_number));
        if !number.is_empty() {
            piece(number);
        }
        rest = after;
    }
}

/// Applies `piece_len`, which measures the first piece of a text that is not empty, until the text
/// is used up.
fn cut<'a>(mut text: &'a str, piece_len: impl Fn(&str) -> usize, mut piece: impl FnMut(&'a str)) {
    while !text.is_empty() {
        let (first, rest) = text.split_at(piece_len(text));
        piece(first);
        text = rest;
    }
}

fn gpt2(text: &str) -> usize {
    if let Some(len) = contraction(text, |c| c) {
        return len;
    }
    let word = text.strip_prefix(' ').unwrap_or(text);
    match word.chars().next().map(class) {
        None | Some(Class::Space) => space_before_word(text),
        Some(kind) => text.len() - word.len() + run(word, |c| class(c) == kind),
    }
}

/// Measures the first piece by the expression of tiktoken's cl100k, which Qwen and Llama took over,
/// with `\p{N}{1,max_digits}`.
fn tiktoken(text: &str, max_digits: usize) -> usize {
    let fold = |c: char| {
        if c == '\u{17f}' {
            's'
        } else {
            c.to_ascii_lowercase()
        }
    };
    if let Some(len) = contraction(text, fold) {
        return len;
    }
    let is_newline = |c| matches!(c, '\r' | '\n');
    let is_letter = |c| class(c) == Class::Letter;
    let Some(first) = text.chars().next() else {
        return 0;
    };
    let lead = match class(first) {
        Class::Number => {
            return text
                .chars()
                .take(max_digits)
                .take_while(|&c| class(c) == Class::Number)
                .map(char::len_utf8)
                .sum();
        }
        Class::Letter => 0,
        Class::Space | Class::Other if is_newline(first) => 0,
        Class::Space | Class::Other => first.len_utf8(),
    };
    let letters = run(&text[lead..], is_letter);
    if letters > 0 {
        return lead + letters;
    }
    let space = usize::from(first == ' ');
    let signs = run(&text[space..], |c| class(c) == Class::Other);
    if signs > 0 {
        let end = space + signs;
        return end + run(&text[end..], is_newline);
    }
    let spaces = &text[..run(text, char::is_whitespace)];
    match spaces.rfind(is_newline) {
        Some(last_newline) => last_newline + 1,
        None => space_before_word(text),
    }
}

/// Measures `\s+(?!\S)|\s+`: all leading spaces, but the last of several stays for the word that
/// follows.
fn space_before_word(text: &str) -> usize {
    let spaces = &text[..run(text, char::is_whitespace)];
    if spaces.len() == text.len() {
        return spaces.len();
    }
    match spaces.char_indices().next_back() {
        Some((last, _)) if last > 0 => last,
        _ => spaces.len(),
    }
}

/// Returns the length of a leading `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d`, each letter
/// compared after `fold`.
fn contraction(text: &str, fold: impl Fn(char) -> char) -> Option<usize> {
    let letters = text.strip_prefix('\'')?;
    let mut chars = letters.chars();
    let (first, second) = (chars.next()?, chars.next());
    let letters_len = match (fold(first), second.map(fold)) {
        ('s' | 't' | 'm' | 'd', _) => first.len_utf8(),
        ('r' | 'v', Some('e')) | ('l', Some('l')) => 2,
        _ => return None,
    };
    Some(1 + letters_len)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' => Class::Letter,
        '0'..='9' => Class::Number,
        _ if c.is_whitespace() => Class::Space,
        _ if c.is_ascii() => Class::Other,
        _ => match c.general_category_group() {
            GeneralCategoryGroup::Letter => Class::Letter,
            GeneralCategoryGroup::Number => Class::Number,
            _ => Class::Other,
        },
    }
}

/// Returns the length in bytes of the leading characters that pass `test`.
fn run(text: &str, test: impl Fn(char) -> bool) -> usize {
    text.find(|c| !test(c)).unwrap_or(text.len())
}

fn first_char_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}
