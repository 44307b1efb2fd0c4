//! The splitters (pre-tokenizers) cut text into the pieces within which byte-level BPE merges.
//!
//! Each does by hand what the model's own tokenizer does by a regular expression. `\p{L}` and
//! `\p{N}` are Unicode's general categories, `\s` is its property White_Space.

use crate::text::category::{category, is_letter, is_mark, is_number};
use unicode_properties::GeneralCategory;

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
    /// Holds the expression of [`Splitter::Qwen2`] where marks, `\p{M}`, stand with letters: in
    /// `[\p{L}\p{M}]+` and `[^\s\p{L}\p{M}\p{N}]+`.
    Qwen35,
    /// Holds the expression of [`Splitter::Qwen2`] with `\p{N}{1,3}` in place of `\p{N}`.
    Llama3,
    /// Holds the expression of tiktoken's o200k, where U is `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and
    /// L is `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`:
    ///
    /// ```text
    /// [^\r\n\p{L}\p{N}]?U*L+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
    /// [^\r\n\p{L}\p{N}]?U+L*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|
    /// \p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
    /// ```
    O200k,
    /// Holds the expression of [`Splitter::O200k`] with single digits and without contractions.
    Tekken,
}

impl Splitter {
    /// Hands over the pieces of `text` in order; together they are the whole text, and none is
    /// empty.
    pub fn split<'a>(self, text: &'a str, piece: impl FnMut(&'a str)) {
        match self {
            Splitter::Gpt2 => cut(text, gpt2, piece),
            Splitter::SmolLm => split_smollm(text, piece),
            Splitter::Qwen2 => cut(text, |text| tiktoken(text, 1, class), piece),
            Splitter::Qwen35 => cut(text, |text| tiktoken(text, 1, class_of_marks), piece),
            Splitter::Llama3 => cut(text, |text| tiktoken(text, 3, class), piece),
            Splitter::O200k => cut(text, |text| o200k(text, 3, true), piece),
            Splitter::Tekken => cut(text, |text| o200k(text, 1, false), piece),
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
/// with `\p{N}{1,max_digits}`. A mark that `class` takes for a letter may come before letters in
/// either way.
fn tiktoken(text: &str, max_digits: usize, class: fn(char) -> Class) -> usize {
    if let Some(len) = contraction(text, folded) {
        return len;
    }
    let lead = lead(text, class);
    let letters = run(&text[lead..], |c| class(c) == Class::Letter);
    match letters {
        0 => no_word(text, max_digits, is_newline, class),
        _ => lead + letters,
    }
}

/// Measures the first piece by the expression of tiktoken's o200k, with `\p{N}{1,max_digits}`.
fn o200k(text: &str, max_digits: usize, has_contractions: bool) -> usize {
    let leads = [lead(text, class), 0];
    let word = |measure: fn(&str) -> Option<usize>| {
        let mut words = leads
            .iter()
            .map(|&lead| Some(lead + measure(&text[lead..])?));
        words.find_map(|len| len)
    };
    match word(ends_lower).or_else(|| word(upper)) {
        Some(len) if has_contractions => len + contraction(&text[len..], folded).unwrap_or(0),
        Some(len) => len,
        None => no_word(text, max_digits, |c| is_newline(c) || c == '/', class),
    }
}

/// Measures `U*L+` of [`Splitter::O200k`].
fn ends_lower(text: &str) -> Option<usize> {
    let upper = run(text, |c| case(c) & UPPER > 0);
    let lower = run(&text[upper..], |c| case(c) & LOWER > 0);
    if lower > 0 {
        return Some(upper + lower);
    }
    // What may be either is given back, as far as it takes.
    let mut either = text[..upper].char_indices().rev();
    let (at, last) = either.find(|&(_, c)| case(c) & LOWER > 0)?;
    Some(at + last.len_utf8())
}

/// Measures `U+L*` of [`Splitter::O200k`] where there is no `U*L+`.
fn upper(text: &str) -> Option<usize> {
    Some(run(text, |c| case(c) & UPPER > 0)).filter(|&len| len > 0)
}

const UPPER: u8 = 1;
const LOWER: u8 = 2;

/// Returns whether a character is one of [`Splitter::O200k`]'s U, its L, both or none.
fn case(c: char) -> u8 {
    use GeneralCategory::*;
    match c {
        'a'..='z' => LOWER,
        'A'..='Z' => UPPER,
        _ if c.is_ascii() => 0,
        _ => match category(c) {
            LowercaseLetter => LOWER,
            UppercaseLetter | TitlecaseLetter => UPPER,
            ModifierLetter | OtherLetter | NonspacingMark | SpacingMark | EnclosingMark => {
                UPPER | LOWER
            }
            _ => 0,
        },
    }
}

fn is_newline(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

/// Returns a letter of a contraction as `(?i:)` compares it.
fn folded(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        _ => c.to_ascii_lowercase(),
    }
}

/// Measures `[^\r\n\p{L}\p{N}]?`.
fn lead(text: &str, class: fn(char) -> Class) -> usize {
    match text.chars().next().map(|first| (first, class(first))) {
        Some((first, Class::Space | Class::Other)) if !is_newline(first) => first.len_utf8(),
        _ => 0,
    }
}

/// Measures digits, signs with the `tail` behind them, and spaces, by the expressions of tiktoken.
fn no_word(
    text: &str,
    max_digits: usize,
    tail: impl Fn(char) -> bool,
    class: fn(char) -> Class,
) -> usize {
    let is_digit = |&c: &char| class(c) == Class::Number;
    let digits = text.chars().take(max_digits).take_while(is_digit);
    let digits: usize = digits.map(char::len_utf8).sum();
    if digits > 0 {
        return digits;
    }
    let space = usize::from(text.starts_with(' '));
    let signs = run(&text[space..], |c| class(c) == Class::Other);
    if signs > 0 {
        let end = space + signs;
        return end + run(&text[end..], tail);
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
        _ if is_letter(c) => Class::Letter,
        _ if is_number(c) => Class::Number,
        _ => Class::Other,
    }
}

/// Returns the class of a character where marks are letters.
fn class_of_marks(c: char) -> Class {
    match is_mark(c) {
        true => Class::Letter,
        false => class(c),
    }
}

/// Returns the length in bytes of the leading characters that pass `test`.
fn run(text: &str, test: impl Fn(char) -> bool) -> usize {
    text.find(|c| !test(c)).unwrap_or(text.len())
}

fn first_char_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}
