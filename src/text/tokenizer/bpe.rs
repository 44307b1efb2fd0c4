//! Byte-level byte pair encoding as in GPT-2: a piece of text starts as single bytes, and of all
//! merges that can be made, the earliest in the model's list goes first. Gemma 4's starts as single
//! characters, or as the bytes of those that it has no token for.

use super::pre::{PreTokenizer, unnamed};
use super::spm::SPACE_MARK;
use super::vocab::{Kind, Vocab};
use crate::error::Result;
use crate::host::composed;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Stands for no token, or for no symbol.
const NONE: u32 = u32::MAX;

/// Turns two neighbours into one token; the lower rank goes first.
#[derive(Clone, Copy)]
struct Merge {
    right: u32,
    rank: u32,
    result: u32,
}

/// Fills a place until its merge is put there.
const NO_MERGE: Merge = Merge {
    right: NONE,
    rank: NONE,
    result: NONE,
};

/// Holds the merges of a vocabulary, in 12 bytes for each merge and 4 bytes for each token.
pub(super) struct Bpe {
    /// Says how text is cut; `None` where it begins as characters, line by line.
    pre: Option<PreTokenizer>,
    /// Holds the token of each single byte, `NONE` where there is none.
    byte_ids: Box<[u32; 256]>,
    /// Holds the merges, ordered by left token, then by right token.
    merges: Vec<Merge>,
    /// Holds the index in `merges` at which those of each left token begin; one entry more than
    /// there are tokens.
    first_merge: Vec<u32>,
}

impl Bpe {
    /// Ranks the merges of a vocabulary. `merges` are pairs of token texts with a space between
    /// them, the strongest first, in the alphabet of [`decode_bytes`].
    ///
    /// # Errors
    /// `tokenizer` when some merge applies and the pre-tokenizer is not known.
    pub(super) fn new<'a>(
        pre: Option<PreTokenizer>,
        vocab: &Vocab,
        merges: impl Iterator<Item = &'a str>,
    ) -> Result<Bpe> {
        let mut byte_ids = Box::new([NONE; 256]);
        for (byte, id) in (0..=u8::MAX).zip(byte_ids.iter_mut()) {
            *id = vocab.find(&[byte]).unwrap_or(NONE);
        }
        let mut bpe = Self::ranked(byte_ids, vocab, merges, decode_onto);
        bpe.pre = match pre {
            None if !bpe.merges.is_empty() => return Err(unnamed()),
            None => Some(PreTokenizer::without_merges()),
            pre => pre,
        };
        Ok(bpe)
    }

    /// Ranks the merges of a vocabulary whose tokens are made of characters. `merges` are as those of
    /// [`Bpe::new`], but in plain text with the space mark for a space.
    pub(super) fn of_chars<'a>(vocab: &Vocab, merges: impl Iterator<Item = &'a str>) -> Bpe {
        let mut byte_ids = Box::new([NONE; 256]);
        for id in vocab.ids().filter(|&id| vocab.kind(id) == Kind::Byte) {
            if let [byte] = vocab.bytes(id) {
                byte_ids[usize::from(*byte)] = id;
            }
        }
        Self::ranked(byte_ids, vocab, merges, |text, bytes| {
            bytes.extend_from_slice(text.replace(SPACE_MARK, " ").as_bytes());
            Some(())
        })
    }

    /// Ranks merges, whose parts `decode` appends as the bytes of tokens.
    fn ranked<'a>(
        byte_ids: Box<[u32; 256]>,
        vocab: &Vocab,
        merges: impl Iterator<Item = &'a str>,
        decode: fn(&str, &mut Vec<u8>) -> Option<()>,
    ) -> Bpe {
        let (mut ranked, mut bytes) = (Vec::new(), Vec::new());
        for (rank, merge) in (0_u32..).zip(merges) {
            // A merge that names what is no token can never apply.
            let Some((left, right, result)) = resolve(vocab, merge, decode, &mut bytes) else {
                continue;
            };
            let merge = Merge {
                right,
                rank,
                result,
            };
            ranked.push((left, merge));
        }
        let (merges, first_merge) = by_left(&ranked, vocab.len());
        Bpe {
            pre: None,
            byte_ids,
            merges,
            first_merge,
        }
    }

    /// Returns whether BOS comes before every text where the file does not tell.
    pub(super) fn adds_bos(&self) -> bool {
        self.pre.is_none_or(|pre| pre.add_bos)
    }

    /// Appends the tokens of `text` to `ids`. Bytes that the vocabulary does not know are left out.
    pub(super) fn encode(&self, vocab: &Vocab, text: &str, ids: &mut Vec<u32>) {
        let mut word = Word::default();
        let Some(pre) = self.pre else {
            return self.encode_chars(vocab, text, &mut word, ids);
        };
        // Qwen's own tokenizer composes characters first (Unicode NFC).
        let text = match pre.composes {
            true => composed(text),
            false => Cow::Borrowed(text),
        };
        pre.splitter.split(&text, |piece| {
            if pre.whole_words
                && let Some(id) = vocab.find(piece.as_bytes())
            {
                ids.push(id);
                return;
            }
            word.fill(piece.bytes().filter_map(|byte| {
                Some(self.byte_ids[usize::from(byte)]).filter(|&id| id != NONE)
            }));
            word.merge(self);
            ids.extend(word.ids());
        });
    }

    /// Appends the tokens of `text`, which begins as characters. Lines and line feeds merge by
    /// themselves, as in llama.cpp, for a text of many lines need not be one word.
    fn encode_chars(&self, vocab: &Vocab, text: &str, word: &mut Word, ids: &mut Vec<u32>) {
        // In these vocabularies the space mark is a space, also where a user typed it.
        let text = text.replace(SPACE_MARK, " ");
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let is_other = |c: char| (c == '\n') != (first == '\n');
            let (piece, later) = rest.split_at(rest.find(is_other).unwrap_or(rest.len()));
            rest = later;
            let symbols = piece.char_indices().flat_map(|(at, c)| {
                let bytes = &piece.as_bytes()[at..at + c.len_utf8()];
                let whole = vocab.find(bytes);
                let parts = bytes.iter().filter(move |_| whole.is_none());
                let parts = parts.map(|&byte| self.byte_ids[usize::from(byte)]);
                whole.into_iter().chain(parts.filter(|&id| id != NONE))
            });
            word.fill(symbols);
            word.merge(self);
            ids.extend(word.ids());
        }
    }

    fn find(&self, left: u32, right: u32) -> Option<Merge> {
        let left = left as usize;
        let (from, to) = (
            *self.first_merge.get(left)?,
            *self.first_merge.get(left + 1)?,
        );
        let merges = self.merges.get(from as usize..to as usize)?;
        let found = merges
            .binary_search_by_key(&right, |merge| merge.right)
            .ok()?;
        merges.get(found).copied()
    }
}

/// Holds a piece of text while it is merged: a linked list of symbols, and a queue of the merges
/// that can be made. The pieces of a text share one `Word`, for its memory.
#[derive(Default)]
struct Word {
    symbols: Vec<Symbol>,
    /// Holds merges that can be made, as (rank, position of the left symbol), the lowest first. An
    /// entry goes stale when a neighbour merges first.
    queue: BinaryHeap<Reverse<(u32, u32)>>,
}

#[derive(Clone, Copy)]
struct Symbol {
    /// Holds the token; `NONE` once the symbol has been merged into the one before it.
    id: u32,
    previous: u32,
    next: u32,
}

impl Word {
    fn fill(&mut self, ids: impl Iterator<Item = u32>) {
        self.symbols.clear();
        for (position, id) in (0_u32..).zip(ids) {
            self.symbols.push(Symbol {
                id,
                previous: position.checked_sub(1).unwrap_or(NONE),
                next: position + 1,
            });
        }
        if let Some(last) = self.symbols.last_mut() {
            last.next = NONE;
        }
    }

    /// Makes all merges. The time is n log n in the length of the word, so that a megabyte of one
    /// letter does no harm.
    fn merge(&mut self, bpe: &Bpe) {
        self.queue.clear();
        for left in 0..self.symbols.len() as u32 {
            self.offer(bpe, left);
        }
        while let Some(Reverse((rank, left))) = self.queue.pop() {
            let Some(merge) = self.merge_at(bpe, left).filter(|merge| merge.rank == rank) else {
                continue;
            };
            let right = self.symbols[left as usize].next;
            let after = self.symbols[right as usize].next;
            self.symbols[right as usize].id = NONE;
            self.symbols[left as usize].id = merge.result;
            self.symbols[left as usize].next = after;
            if let Some(after) = self.symbols.get_mut(after as usize) {
                after.previous = left;
            }
            self.offer(bpe, self.symbols[left as usize].previous);
            self.offer(bpe, left);
        }
    }

    /// Queues the merge of the symbol at `left` with its successor, if there is one.
    fn offer(&mut self, bpe: &Bpe, left: u32) {
        if let Some(merge) = self.merge_at(bpe, left) {
            self.queue.push(Reverse((merge.rank, left)));
        }
    }

    fn merge_at(&self, bpe: &Bpe, left: u32) -> Option<Merge> {
        let left = self.symbols.get(left as usize)?;
        let right = self.symbols.get(left.next as usize)?;
        bpe.find(left.id, right.id)
    }

    fn ids(&self) -> impl Iterator<Item = u32> {
        self.symbols
            .iter()
            .map(|symbol| symbol.id)
            .filter(|&id| id != NONE)
    }
}

/// Orders merges by their left token, of which there are `tokens`, then by their right one, and
/// returns where those of each left token begin. Of a pair that is listed twice, the better rank
/// stays.
///
/// A vocabulary has 150,000 merges and most tokens few: they are counted, not sorted.
fn by_left(ranked: &[(u32, Merge)], tokens: usize) -> (Vec<Merge>, Vec<u32>) {
    let mut ends = vec![0_u32; tokens + 1];
    for &(left, _) in ranked {
        ends[left as usize + 1] += 1;
    }
    for token in 0..tokens {
        ends[token + 1] += ends[token];
    }
    // Each end begins as its token's first place, and moves on as the places are taken.
    let mut placed = vec![NO_MERGE; ranked.len()];
    for &(left, merge) in ranked {
        let place = &mut ends[left as usize];
        placed[*place as usize] = merge;
        *place += 1;
    }
    let (mut merges, mut first_merge) = (Vec::with_capacity(placed.len()), vec![0; tokens + 1]);
    let mut start = 0;
    for token in 0..tokens {
        let own = &mut placed[start..ends[token] as usize];
        own.sort_unstable_by_key(|merge| (merge.right, merge.rank));
        merges.extend(own.chunk_by(|a, b| a.right == b.right).map(|same| same[0]));
        first_merge[token + 1] = merges.len() as u32;
        start = ends[token] as usize;
    }
    (merges, first_merge)
}

/// Returns the ids of a merge's left part, right part and result; `None` where one is no token.
/// `bytes` is overwritten.
fn resolve(
    vocab: &Vocab,
    merge: &str,
    decode: fn(&str, &mut Vec<u8>) -> Option<()>,
    bytes: &mut Vec<u8>,
) -> Option<(u32, u32, u32)> {
    let (left, right) = merge.split_once(' ')?;
    bytes.clear();
    decode(left, bytes)?;
    let left_len = bytes.len();
    decode(right, bytes)?;
    let (left, right) = bytes.split_at(left_len);
    Some((vocab.find(left)?, vocab.find(right)?, vocab.find(bytes)?))
}

/// Returns the bytes that a token of a byte-level vocabulary stands for. Names of control tokens
/// and the like are not in GPT-2's alphabet.
pub(super) fn token_bytes(text: &str, kind: Kind) -> Cow<'_, [u8]> {
    let bytes = if kind == Kind::Normal {
        decode_bytes(text)
    } else {
        None
    };
    bytes.map_or(Cow::Borrowed(text.as_bytes()), Cow::Owned)
}

/// Returns the bytes behind a token's text in GPT-2's alphabet; `None` where the text is not
/// written in it.
///
/// In this alphabet each byte is one visible character: the visible characters of Latin-1 stand for
/// their own byte, U+0100 and onwards for the other 68 bytes.
fn decode_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    decode_onto(text, &mut bytes).map(|()| bytes)
}

/// Appends the bytes of [`decode_bytes`].
fn decode_onto(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let byte = |c: char| {
        u8::try_from(match u32::from(c) {
            c @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => c,
            c @ 0x100..=0x120 => c - 0x100,
            c @ 0x121..=0x142 => c - 0x121 + 0x7f,
            0x143 => 0xad,
            _ => return None,
        })
        .ok()
    };
    for c in text.chars() {
        bytes.push(byte(c)?);
    }
    Some(())
}
