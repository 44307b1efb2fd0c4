//! Llama's SentencePiece: text starts as single characters, and of all neighbours that make a
//! token, those with the best score join first.

use super::vocab::{Kind, Vocab};
use crate::error::{Code, Error, Result};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// SentencePiece writes a space inside tokens as this character; the vocabulary keeps plain spaces.
pub(super) const SPACE_MARK: char = '\u{2581}';

/// Stands for no symbol.
const NONE: u32 = u32::MAX;

/// Holds the scores of a vocabulary, by which neighbours join.
pub(super) struct Spm {
    scores: Vec<f32>,
    /// Holds the token that stands for each byte of a character which is not in the vocabulary.
    byte_ids: Vec<u32>,
    /// Says whether text gets a space in front at its start and after an added token.
    pub add_space_prefix: bool,
}

impl Spm {
    /// Takes one score for each token, in the order of ids.
    ///
    /// # Errors
    /// `tokenizer` when scores and tokens differ in number, or when some byte has neither a token
    /// nor an unknown token to replace it.
    pub(super) fn new(
        vocab: &Vocab,
        scores: Vec<f32>,
        unknown: Option<u32>,
        add_space_prefix: bool,
    ) -> Result<Spm> {
        if scores.len() != vocab.len() {
            let message = format!(
                "The vocabulary has {} tokens but {} scores; the file is broken: choose another \
                 conversion of the model.",
                vocab.len(),
                scores.len()
            );
            return Err(Error::new(Code::Tokenizer, message));
        }
        let mut byte_ids = vec![unknown; 256];
        for id in vocab.ids().filter(|&id| vocab.kind(id) == Kind::Byte) {
            if let [byte] = vocab.bytes(id) {
                byte_ids[usize::from(*byte)] = Some(id);
            }
        }
        let byte_ids = byte_ids.into_iter().collect::<Option<_>>().ok_or_else(|| {
            let message = "The vocabulary lacks byte tokens (<0x00> to <0xFF>) and has no unknown \
                           token; choose another conversion of the model.";
            Error::new(Code::Tokenizer, message)
        })?;
        Ok(Spm {
            scores,
            byte_ids,
            add_space_prefix,
        })
    }

    /// Appends the tokens of `text` to `ids`. `at_start` says whether no other text stands right
    /// before it.
    pub(super) fn encode(&self, vocab: &Vocab, text: &str, at_start: bool, ids: &mut Vec<u32>) {
        let prefix = if at_start && self.add_space_prefix && !text.is_empty() {
            " "
        } else {
            ""
        };
        // In these vocabularies the space mark is a space, also where a user typed it.
        let text = format!("{prefix}{text}").replace(SPACE_MARK, " ");
        let mut line = Line::new(&text);
        line.merge(self, vocab);
        for symbol in line.symbols.iter().filter(|symbol| symbol.len > 0) {
            let bytes = line.bytes(symbol);
            match vocab.find(bytes) {
                Some(id) => ids.push(id),
                None => ids.extend(
                    bytes
                        .iter()
                        .filter_map(|&byte| self.byte_ids.get(usize::from(byte))),
                ),
            }
        }
    }

    fn score(&self, id: u32) -> f32 {
        self.scores
            .get(id as usize)
            .copied()
            .unwrap_or(f32::NEG_INFINITY)
    }
}

/// Returns the bytes that a token of a SentencePiece vocabulary stands for: `<0x0A>` is a byte, the
/// space mark a space.
pub(super) fn token_bytes(text: &str, kind: Kind) -> Cow<'_, [u8]> {
    if kind == Kind::Byte
        && let Some(byte) = text
            .strip_prefix("<0x")
            .and_then(|hex| hex.strip_suffix('>'))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
    {
        return Cow::Owned(vec![byte]);
    }
    match kind {
        Kind::Normal | Kind::UserDefined => Cow::Owned(text.replace(SPACE_MARK, " ").into_bytes()),
        _ => Cow::Borrowed(text.as_bytes()),
    }
}

/// Covers a stretch of the text, in a linked list of symbols that covers the text.
struct Symbol {
    start: u32,
    /// Holds the length in bytes; 0 once the symbol has been merged into the one before it.
    len: u32,
    previous: u32,
    next: u32,
}

/// Holds a text while it is merged.
struct Line<'a> {
    text: &'a [u8],
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Candidate>,
}

/// Names two neighbours that could join. A candidate is stale when either has changed since, which
/// shows in its length.
struct Candidate {
    score: f32,
    left: u32,
    len: u32,
}

impl<'a> Line<'a> {
    fn new(text: &'a str) -> Line<'a> {
        let mut symbols: Vec<Symbol> = (0_u32..)
            .zip(text.char_indices())
            .map(|(position, (start, c))| Symbol {
                start: start as u32,
                len: c.len_utf8() as u32,
                previous: position.checked_sub(1).unwrap_or(NONE),
                next: position + 1,
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        Line {
            text: text.as_bytes(),
            symbols,
            queue: BinaryHeap::new(),
        }
    }

    fn bytes(&self, symbol: &Symbol) -> &'a [u8] {
        self.text
            .get(symbol.start as usize..(symbol.start + symbol.len) as usize)
            .unwrap_or_default()
    }

    /// Makes all merges, in n log n steps in the length of the text.
    fn merge(&mut self, spm: &Spm, vocab: &Vocab) {
        for left in 0..self.symbols.len() as u32 {
            self.offer(spm, vocab, left);
        }
        while let Some(Candidate { left, len, .. }) = self.queue.pop() {
            if self.joined_len(left) != Some(len) {
                continue;
            }
            let right = self.symbols[left as usize].next;
            let after = self.symbols[right as usize].next;
            self.symbols[right as usize].len = 0;
            self.symbols[left as usize].len = len;
            self.symbols[left as usize].next = after;
            if let Some(after) = self.symbols.get_mut(after as usize) {
                after.previous = left;
            }
            self.offer(spm, vocab, self.symbols[left as usize].previous);
            self.offer(spm, vocab, left);
        }
    }

    /// Queues the symbol at `left` with its successor, if both together are a token.
    fn offer(&mut self, spm: &Spm, vocab: &Vocab, left: u32) {
        let Some(len) = self.joined_len(left) else {
            return;
        };
        let start = self.symbols[left as usize].start;
        let token = self
            .text
            .get(start as usize..(start + len) as usize)
            .and_then(|bytes| vocab.find(bytes));
        if let Some(id) = token {
            self.queue.push(Candidate {
                score: spm.score(id),
                left,
                len,
            });
        }
    }

    /// Returns the length of the symbol at `left` together with its successor; `None` when it has
    /// none or is merged away.
    fn joined_len(&self, left: u32) -> Option<u32> {
        let left = self
            .symbols
            .get(left as usize)
            .filter(|symbol| symbol.len > 0)?;
        let right = self.symbols.get(left.next as usize)?;
        Some(left.len + right.len)
    }
}

impl Ord for Candidate {
    /// The greatest candidate joins first: that of the best score, then the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
            .then(self.len.cmp(&other.len))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}
