//! The vocabulary keeps the bytes of all tokens in one arena, and finds the id of given bytes.

use crate::error::{Code, Error, Result};

/// Says what a token is for, as `tokenizer.ggml.token_type` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The token is made by merging text.
    Normal,
    /// The token stands for what the vocabulary has no token for.
    Unknown,
    /// The token is structure that only the template may write: `<|im_start|>`, `</s>`.
    Control,
    /// The token is found whole in any text, before the merges see it: `<tool_call>`.
    UserDefined,
    /// The token only fills up the table.
    Unused,
    /// The token is one byte of a SentencePiece vocabulary, written `<0x0A>`.
    Byte,
}

impl Kind {
    /// Returns the kind of a number in llama.cpp's `enum llama_token_type`; `None` for one that is
    /// not defined.
    pub(super) fn from_ggml(number: i32) -> Option<Kind> {
        Some(match number {
            1 => Kind::Normal,
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            _ => return None,
        })
    }

    /// Returns whether text may become such a token by merging.
    fn is_text(self) -> bool {
        matches!(self, Kind::Normal | Kind::UserDefined | Kind::Unused)
    }
}

/// Marks an empty place in `Vocab::slots`.
const EMPTY: u32 = u32::MAX;

/// Holds the tokens by id. 150,000 tokens take about 3 MB, for none has a string of its own.
pub(super) struct Vocab {
    arena: Vec<u8>,
    /// Holds the offset in the arena at which each token ends; it begins where the token before it
    /// ends.
    ends: Vec<u32>,
    kinds: Vec<Kind>,
    /// Holds a hash table with open addressing of the ids that text may become; its length is a
    /// power of two.
    slots: Vec<u32>,
    longest_bytes: usize,
}

impl Vocab {
    /// Takes the tokens in the order of their ids.
    ///
    /// # Errors
    /// `tokenizer` when there are more tokens or bytes than 32 bits count.
    pub(super) fn new<T: AsRef<[u8]>>(tokens: impl Iterator<Item = (T, Kind)>) -> Result<Vocab> {
        let mut vocab = Vocab {
            arena: Vec::new(),
            ends: Vec::new(),
            kinds: Vec::new(),
            slots: Vec::new(),
            longest_bytes: 0,
        };
        for (bytes, kind) in tokens {
            vocab.arena.extend_from_slice(bytes.as_ref());
            let end = u32::try_from(vocab.arena.len()).map_err(|_| {
                Error::new(
                    Code::Tokenizer,
                    "The vocabulary holds more than 4 GiB of text; the file is broken: choose \
                     another conversion of the model.",
                )
            })?;
            vocab.ends.push(end);
            vocab.kinds.push(kind);
            vocab.longest_bytes = vocab.longest_bytes.max(bytes.as_ref().len());
        }
        vocab.index();
        Ok(vocab)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the ids of all tokens.
    pub(super) fn ids(&self) -> std::ops::Range<u32> {
        0..self.ends.len() as u32
    }

    /// Returns the bytes that a token stands for; none for an id outside the vocabulary.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let index = id as usize;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |&end| end as usize);
        let end = self.ends.get(index).map_or(start, |&end| end as usize);
        self.arena.get(start..end).unwrap_or_default()
    }

    /// Returns what a token is for; `Unused` for an id outside the vocabulary.
    pub(super) fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Unused)
    }

    /// Returns the token that text of these bytes may become: never a control, unknown or byte
    /// token. Of equal tokens, it is the first.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<u32> {
        if bytes.len() > self.longest_bytes {
            return None;
        }
        match self.slots.get(self.slot_of(bytes)) {
            None | Some(&EMPTY) => None,
            Some(&id) => Some(id),
        }
    }

    fn index(&mut self) {
        // The table is at most half full, so that a search ends soon.
        self.slots = vec![EMPTY; (self.len() * 2).next_power_of_two()];
        for id in self.ids() {
            let slot = self.slot_of(self.bytes(id));
            if self.slots[slot] == EMPTY && self.kind(id).is_text() && !self.bytes(id).is_empty() {
                self.slots[slot] = id;
            }
        }
    }

    /// Returns the slot where these bytes are, or where they would be.
    fn slot_of(&self, bytes: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash(bytes) as usize & mask;
        while self.slots[slot] != EMPTY && self.bytes(self.slots[slot]) != bytes {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

/// Tells whether a name has the form of control tokens: llama.cpp's converter makes such tokens
/// control tokens, but older ones called them user-defined, and so does that of Gemma 4's `<|channel>`
/// and `<channel|>`.
pub(super) fn looks_special(name: &[u8]) -> bool {
    let forms = [
        ("<|", "|>"),
        ("<\u{ff5c}", "\u{ff5c}>"),
        ("<|", ">"),
        ("<", "|>"),
    ];
    forms
        .iter()
        .any(|(open, close)| name.starts_with(open.as_bytes()) && name.ends_with(close.as_bytes()))
}

/// Hashes by FNV-1a, with the high bits folded into the low bits, which choose the slot.
fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash ^ (hash >> 32)
}
