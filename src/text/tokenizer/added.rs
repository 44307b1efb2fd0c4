//! Added tokens are found whole in a text before any merging: control tokens, and those that a
//! model's maker added.

use std::collections::BTreeMap;

use super::vocab::{Kind, Vocab};

/// Tokens of these names take the white space behind them in models of `phi3` (Phi-3, 3.5 and 4
/// mini), and so do those whose names begin with [`PHI3_PLACEHOLDER`]. No file says so: the names
/// are those with `rstrip` in the models' `tokenizer_config.json`.
///
/// (llama.cpp goes by the name of the model: it does the same for all control tokens but three
/// where `general.name` has "phi3" or "phi-3" in it, which many files of Phi-3 have not.)
const PHI3_STRIPPING: [&[u8]; 6] = [
    b"<|user|>",
    b"<|assistant|>",
    b"<|end|>",
    b"<|system|>",
    b"<|tag|>",
    b"</s>",
];
const PHI3_PLACEHOLDER: &[u8] = b"<|placeholder";

/// Says what `<|im_start|>` in a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// The name is letters and signs like any other: for text that came from outside. Tokens that
    /// a model's maker added for text, such as runs of spaces, are found nevertheless.
    Plain,
    /// The name is the control token: for a rendered prompt.
    Parse,
}

/// Holds a piece of text, or a token found in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Token(u32),
}

/// Holds the added tokens of a vocabulary, ready to be searched for.
pub(super) struct Added {
    /// Holds the ids, ordered by the tokens' bytes, so that tokens with a common beginning lie side
    /// by side.
    sorted: Vec<u32>,
    /// For each byte, whether some added token begins with it.
    begins: [bool; 256],
    /// Holds the ids of those that take the white space behind them.
    stripping: Vec<u32>,
}

impl Added {
    /// Finds the added tokens of a vocabulary; those that strip go by the model's architecture.
    pub(super) fn new(vocab: &Vocab, architecture: Option<&str>) -> Added {
        let is_added = |id: &u32| {
            matches!(
                vocab.kind(*id),
                Kind::Control | Kind::Unknown | Kind::UserDefined
            )
        };
        let mut by_bytes = BTreeMap::new();
        for id in vocab.ids().filter(is_added) {
            by_bytes.entry(vocab.bytes(id)).or_insert(id);
        }
        by_bytes.remove(&[][..]);
        let sorted: Vec<u32> = by_bytes.into_values().collect();
        let mut begins = [false; 256];
        for &id in &sorted {
            begins[usize::from(vocab.bytes(id)[0])] = true;
        }
        let strips = |id: &u32| {
            let name = vocab.bytes(*id);
            PHI3_STRIPPING.contains(&name) || name.starts_with(PHI3_PLACEHOLDER)
        };
        let stripping = match architecture {
            Some("phi3") => sorted.iter().copied().filter(strips).collect(),
            _ => Vec::new(),
        };
        Added {
            sorted,
            begins,
            stripping,
        }
    }

    /// Returns what is left of a text behind the token `last`.
    pub(super) fn text_behind<'a>(&self, last: Option<&u32>, text: &'a str) -> &'a str {
        match last {
            Some(last) if self.stripping.contains(last) => text.trim_start(),
            _ => text,
        }
    }

    /// Cuts `text` at every added token, and hands the parts over in order. The leftmost token
    /// comes first, and of those at one place the longest. Only tokens that `is_found` accepts
    /// count.
    pub(super) fn split<'a>(
        &self,
        vocab: &Vocab,
        text: &'a str,
        is_found: impl Fn(u32) -> bool,
        mut part: impl FnMut(Part<'a>),
    ) {
        let bytes = text.as_bytes();
        let (mut start, mut at) = (0, 0);
        while at < bytes.len() {
            let Some(id) = self.longest_at(vocab, &bytes[at..], &is_found) else {
                at += 1;
                continue;
            };
            if start < at {
                part(Part::Text(&text[start..at]));
            }
            part(Part::Token(id));
            at += vocab.bytes(id).len();
            start = at;
        }
        if start < at {
            part(Part::Text(&text[start..]));
        }
    }

    /// Returns the ids of the added tokens.
    pub(super) fn ids(&self) -> &[u32] {
        &self.sorted
    }

    fn longest_at(
        &self,
        vocab: &Vocab,
        text: &[u8],
        is_found: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let mut longest = None;
        self.descend(vocab, text, |depth, tokens| {
            // Of the tokens that begin alike, the shortest is sorted first.
            if let Some(&id) = tokens.first()
                && vocab.bytes(id).len() == depth
                && is_found(id)
            {
                longest = Some(id);
            }
        });
        longest
    }

    /// Walks down `text` byte by byte: `visit(depth, tokens)` sees the tokens that begin with the
    /// first `depth` bytes of `text`, while there are any.
    fn descend(&self, vocab: &Vocab, text: &[u8], mut visit: impl FnMut(usize, &[u32])) {
        if !text
            .first()
            .is_some_and(|&byte| self.begins[usize::from(byte)])
        {
            return;
        }
        let mut tokens = self.sorted.as_slice();
        for (depth, byte) in text.iter().enumerate() {
            let byte_at_depth = |id: &u32| vocab.bytes(*id).get(depth).copied();
            let from = tokens.partition_point(|id| byte_at_depth(id) < Some(*byte));
            let to = tokens.partition_point(|id| byte_at_depth(id) <= Some(*byte));
            tokens = &tokens[from..to];
            if tokens.is_empty() {
                return;
            }
            visit(depth + 1, tokens);
        }
    }
}
