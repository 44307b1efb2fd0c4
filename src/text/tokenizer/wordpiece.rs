//! BERT's WordPiece: text is made plain and cut into words, and each word is written in the longest
//! tokens that it begins with.
//!
//! The rules are those of Hugging Face's `BertNormalizer`, `BertPreTokenizer` and `WordPiece`. The
//! vocabulary has llama.cpp's form: a token that begins a word has U+2581 in front, and one that
//! goes on has no `##`.

use super::spm::SPACE_MARK;
use super::vocab::Vocab;
use crate::error::{Code, Error, Result};
use crate::format::metadata::Metadata;
use crate::host::decomposed;
use crate::text::category::{self, category};
use std::borrow::Cow;
use unicode_properties::GeneralCategory;

/// A longer word is unknown, whatever tokens there are.
const MAX_WORD_CHARS: usize = 100;

/// Holds what is told of a vocabulary beside its tokens.
pub(super) struct WordPiece {
    /// Holds the token that begins every text, `[CLS]`.
    pub(super) begin: u32,
    /// Holds the token that ends every text, `[SEP]`.
    pub(super) separator: u32,
    /// Holds the token of words that cannot be written, `[UNK]`.
    unknown: u32,
    /// Says whether letters become small.
    lowers: bool,
    /// Says whether characters are taken apart and lose their accents.
    strips_accents: bool,
}

impl WordPiece {
    /// Reads the special tokens, which older files have by their names alone, and the switches,
    /// which most files leave out. `special_id` finds an id that the metadata has.
    ///
    /// # Errors
    /// `tokenizer` where a special token is missing, `metadata`.
    pub(super) fn new(
        metadata: &Metadata,
        vocab: &Vocab,
        special_id: &impl Fn(&str) -> Option<u32>,
    ) -> Result<Self> {
        let id = |key: &str, name: &str| {
            let is_it = |id: &u32| vocab.bytes(*id) == name.as_bytes();
            let found = special_id(key).or_else(|| vocab.ids().find(is_it));
            found.ok_or_else(|| {
                let message = format!(
                    "The vocabulary has no {name}; choose another conversion of the model."
                );
                Error::new(Code::Tokenizer, message)
            })
        };
        let lowers = metadata.opt_bool("tokenizer.ggml.normalizer.lowercase")?;
        let strips = metadata.opt_bool("tokenizer.ggml.normalizer.strip_accents")?;
        let lowers = lowers.unwrap_or(true);
        Ok(Self {
            begin: id("cls", "[CLS]")?,
            // GGUF spells it so.
            separator: id("seperator", "[SEP]")?,
            unknown: id("unknown", "[UNK]")?,
            lowers,
            strips_accents: strips.unwrap_or(lowers),
        })
    }

    /// Appends the tokens of `text` to `ids`.
    pub(super) fn encode(&self, vocab: &Vocab, text: &str, ids: &mut Vec<u32>) {
        let mut words = Words {
            vocab,
            unknown: self.unknown,
            word: " ".into(),
            ids,
        };
        let kept: String = text.chars().filter(|&c| is_kept(c)).collect();
        let mut push = |c: char| match self.lowers {
            true => c.to_lowercase().for_each(|c| words.push(c)),
            false => words.push(c),
        };
        match self.strips_accents {
            true => {
                let text = decomposed(&kept);
                text.chars().filter(|&c| !is_accent(c)).for_each(&mut push)
            }
            false => kept.chars().for_each(&mut push),
        }
        words.end();
    }
}

/// Holds the word that is being read.
struct Words<'a> {
    vocab: &'a Vocab,
    unknown: u32,
    /// Holds a space, which begins a word's first token, and the word's characters.
    word: String,
    ids: &'a mut Vec<u32>,
}

impl Words<'_> {
    /// Takes the next character: white space ends a word, and a sign is one by itself.
    fn push(&mut self, c: char) {
        let is_sign = is_punctuation(c) || is_ideograph(c);
        if is_sign || c.is_whitespace() {
            self.end();
        }
        if !c.is_whitespace() {
            self.word.push(c);
        }
        if is_sign {
            self.end();
        }
    }

    /// Writes the word, if there is one, and begins another.
    fn end(&mut self) {
        let chars = self.word.chars().count() - 1;
        if chars == 0 {
            return;
        }
        let (before, mut rest) = (self.ids.len(), self.word.as_bytes());
        while chars <= MAX_WORD_CHARS
            && let Some((len, id)) = (1..=rest.len())
                .rev()
                .find_map(|len| Some((len, self.vocab.find(&rest[..len])?)))
        {
            self.ids.push(id);
            rest = &rest[len..];
        }
        if !rest.is_empty() {
            self.ids.truncate(before);
            self.ids.push(self.unknown);
        }
        self.word.truncate(1);
    }
}

/// Returns the bytes that a token stands for: one that begins a word has a space in front.
pub(super) fn token_bytes(text: &str) -> Cow<'_, [u8]> {
    match text.strip_prefix(SPACE_MARK) {
        Some(word) => Cow::Owned([b" ", word.as_bytes()].concat()),
        None => Cow::Borrowed(text.as_bytes()),
    }
}

/// Returns whether a character counts: controls, formats and the like are left out.
fn is_kept(c: char) -> bool {
    use GeneralCategory::{Control, Format, PrivateUse};
    match c {
        '\t' | '\n' | '\r' | ' '..='~' => true,
        '\u{fffd}' => false,
        _ => !matches!(category(c), Control | Format | PrivateUse),
    }
}

fn is_accent(c: char) -> bool {
    !c.is_ascii() && category(c) == GeneralCategory::NonspacingMark
}

fn is_punctuation(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_punctuation(),
        false => category::is_punctuation(c),
    }
}

/// Returns whether a character is a Chinese one, in BERT's sense: neither kana nor hangul. The
/// tokenizer that models were trained with leaves U+2B820 to U+2B91F out.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b81f}' | '\u{2b920}'..='\u{2ceaf}'
        | '\u{2f800}'..='\u{2fa1f}')
}
