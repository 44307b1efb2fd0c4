//! Text to token ids and back, with nothing but what a GGUF file says of its vocabulary.

mod added;
mod bpe;
pub mod split;
mod spm;
mod vocab;

pub use added::Special;

use crate::error::{Code, Error, Result};
use crate::format::metadata::{Metadata, StringArray};
use crate::format::quoted;
use added::{Added, Part};
use bpe::Bpe;
use split::Splitter;
use spm::Spm;
use std::borrow::Cow;
use vocab::{Kind, Vocab};

/// Names of the tokens that end an answer. Some converters call them user-defined, or forget to name them in the header. (Qwen's
/// vocabulary also has `</s>` as a normal token, which is plain text.)
const END_NAMES: [&str; 11] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<|return|>",
    "<EOT>",
    "</s>",
    "<eos>",
];

/// The tokenizer of one model.
pub struct Tokenizer {
    vocab: Vocab,
    added: Added,
    algorithm: Algorithm,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    /// Ids of the tokens that end an answer: few.
    ends: Vec<u32>,
}

enum Algorithm {
    Bpe(Bpe),
    Spm(Spm),
}

impl Tokenizer {
    /// Reads the `tokenizer.ggml.*` keys of a GGUF file.
    ///
    /// # Errors
    /// `Code::Metadata` when a key is missing or of the wrong type; `Code::Tokenizer` when the vocabulary is of a kind that is not
    /// supported (the message names it) or contradicts itself.
    pub fn from_metadata(metadata: &Metadata) -> Result<Tokenizer> {
        let tokens = metadata.string_array("tokenizer.ggml.tokens")?;
        let kinds = read_kinds(tokens, metadata.opt_i32_array("tokenizer.ggml.token_type")?)?;
        let special_id = |name: &str| special_id(metadata, name, tokens.len());
        let (vocab, algorithm) = match metadata.str("tokenizer.ggml.model")? {
            "gpt2" => {
                let splitter = Splitter::from_pre(
                    metadata.opt_str("tokenizer.ggml.pre")?.unwrap_or("default"),
                )?;
                let vocab = Vocab::new(
                    tokens
                        .iter()
                        .zip(kinds)
                        .map(|(text, kind)| (bpe_bytes(text, kind), kind)),
                )?;
                let bpe = Bpe::new(
                    splitter,
                    &vocab,
                    metadata.string_array("tokenizer.ggml.merges")?.iter(),
                );
                (vocab, Algorithm::Bpe(bpe))
            }
            "llama" => {
                let vocab = Vocab::new(
                    tokens
                        .iter()
                        .zip(kinds)
                        .map(|(text, kind)| (spm_bytes(text, kind), kind)),
                )?;
                let scores = metadata.f32_array("tokenizer.ggml.scores")?.to_vec();
                let add_space_prefix = metadata
                    .opt_bool("tokenizer.ggml.add_space_prefix")?
                    .unwrap_or(true);
                let spm = Spm::new(&vocab, scores, special_id("unknown")?, add_space_prefix)?;
                (vocab, Algorithm::Spm(spm))
            }
            other => {
                let message = format!(
                    "The model's tokenizer {} is not supported; use a model whose tokenizer is gpt2 or llama.",
                    quoted(other)
                );
                return Err(Error::new(Code::Tokenizer, message));
            }
        };
        let eos = special_id("eos")?;
        let named_ends = [eos, special_id("eot")?, special_id("eom")?]
            .into_iter()
            .flatten();
        let is_end = |id: &u32| {
            is_control(vocab.kind(*id))
                && END_NAMES
                    .iter()
                    .any(|name| name.as_bytes() == vocab.bytes(*id))
        };
        let ends = vocab.ids().filter(is_end).chain(named_ends).collect();
        // Where the key is missing, vocabularies of the SentencePiece kind and Llama 3 expect one.
        let wants_bos = match &algorithm {
            Algorithm::Bpe(bpe) => bpe.splitter() == Splitter::Llama3,
            Algorithm::Spm(_) => true,
        };
        Ok(Tokenizer {
            added: Added::new(&vocab),
            algorithm,
            bos: special_id("bos")?,
            eos,
            add_bos: metadata
                .opt_bool("tokenizer.ggml.add_bos_token")?
                .unwrap_or(wants_bos),
            ends,
            vocab,
        })
    }

    /// Token ids of `text`; no BOS or EOS is added.
    pub fn encode(&self, text: &str, special: Special) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        self.encode_parts(text, special, true, &mut ids);
        ids
    }

    /// As `encode` with control tokens parsed, for a text in which `guard` keeps apart what must not be read as one: the guards are
    /// taken out of the text between the control tokens before that becomes ids.
    pub(super) fn encode_guarded(&self, text: &str, guard: char) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        let mut at_start = true;
        self.added
            .split(&self.vocab, text, Special::Parse, |part| match part {
                Part::Token(id) => {
                    ids.push(id);
                    at_start = true;
                }
                Part::Text(text) => {
                    at_start = self.encode_parts(
                        &text.replace(guard, ""),
                        Special::Plain,
                        at_start,
                        &mut ids,
                    )
                }
            });
        ids
    }

    /// The text of these tokens, control tokens included; U+FFFD where their bytes are no UTF-8. The inverse of `encode`, but for what
    /// a vocabulary cannot keep: Qwen's composes characters (NFC), a SentencePiece one reads U+2581 as a space.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        let mut at_start = true;
        for &id in ids {
            let token = self.token_bytes(id);
            let prefix: &[u8] = if at_start && self.adds_space_prefix() && !self.is_added(id) {
                b" "
            } else {
                b""
            };
            bytes.extend_from_slice(token.strip_prefix(prefix).unwrap_or(token));
            at_start = self.is_added(id);
        }
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// The bytes that a token stands for, which may be part of a character; the name of a control token. Nothing for an unknown id.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.vocab.bytes(id)
    }

    /// Whether the token is structure (`<|im_start|>`, `</s>`, `<unk>`) and not text.
    pub fn is_control(&self, id: u32) -> bool {
        is_control(self.vocab.kind(id))
    }

    /// Whether the token ends an answer.
    pub fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether the model was trained with BOS before every text. A chat template may write it itself.
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    pub fn vocab_size(&self) -> usize {
        self.vocab.len()
    }

    /// Length in bytes of the longest beginning that `text` shares with some control token.
    pub(super) fn shared_with_control(&self, text: &str) -> usize {
        self.added.shared_with_control(&self.vocab, text.as_bytes())
    }

    /// Appends the ids of `text`; returns whether the next text stands at a start again, which is so after an added token.
    fn encode_parts(
        &self,
        text: &str,
        special: Special,
        mut at_start: bool,
        ids: &mut Vec<u32>,
    ) -> bool {
        self.added
            .split(&self.vocab, text, special, |part| match part {
                Part::Token(id) => {
                    ids.push(id);
                    at_start = true;
                }
                Part::Text(text) => {
                    match &self.algorithm {
                        Algorithm::Bpe(bpe) => bpe.encode(&self.vocab, text, ids),
                        Algorithm::Spm(spm) => spm.encode(&self.vocab, text, at_start, ids),
                    }
                    at_start = false;
                }
            });
        at_start
    }

    fn adds_space_prefix(&self) -> bool {
        matches!(&self.algorithm, Algorithm::Spm(spm) if spm.add_space_prefix)
    }

    fn is_added(&self, id: u32) -> bool {
        self.is_control(id) || self.vocab.kind(id) == Kind::UserDefined
    }
}

fn is_control(kind: Kind) -> bool {
    matches!(kind, Kind::Control | Kind::Unknown)
}

/// The kind of every token; without `token_type` all are normal.
fn read_kinds(tokens: &StringArray, numbers: Option<&[i32]>) -> Result<Vec<Kind>> {
    let mut kinds = match numbers {
        None => vec![Kind::Normal; tokens.len()],
        Some(numbers) if numbers.len() == tokens.len() => numbers
            .iter()
            .map(|&n| Kind::from_ggml(n).unwrap_or(Kind::Normal))
            .collect(),
        Some(numbers) => {
            let message = format!(
                "The vocabulary has {} tokens but {} types of tokens; the file is broken: choose another conversion of the model.",
                tokens.len(),
                numbers.len()
            );
            return Err(Error::new(Code::Tokenizer, message));
        }
    };
    for (text, kind) in tokens.iter().zip(&mut kinds) {
        if *kind == Kind::UserDefined && END_NAMES.contains(&text) {
            *kind = Kind::Control;
        }
    }
    Ok(kinds)
}

/// The id at `tokenizer.ggml.{name}_token_id`, if there is one.
fn special_id(metadata: &Metadata, name: &str, vocab_size: usize) -> Result<Option<u32>> {
    let key = format!("tokenizer.ggml.{name}_token_id");
    let Some(id) = metadata.opt_u64(&key)? else {
        return Ok(None);
    };
    match u32::try_from(id) {
        Ok(id) if (id as usize) < vocab_size => Ok(Some(id)),
        _ => Err(Error::new(
            Code::Tokenizer,
            format!(
                "The model's {key} is {id}, but its vocabulary has {vocab_size} tokens; the file is broken: choose another conversion of the model."
            ),
        )),
    }
}

/// What a token of a byte-level vocabulary stands for. Names of control tokens and the like are written as they are.
fn bpe_bytes(text: &str, kind: Kind) -> Cow<'_, [u8]> {
    let bytes = if kind == Kind::Normal {
        bpe::decode_bytes(text)
    } else {
        None
    };
    bytes.map_or(Cow::Borrowed(text.as_bytes()), Cow::Owned)
}

/// What a token of a SentencePiece vocabulary stands for: `<0x0A>` for a byte, the space mark for a space.
fn spm_bytes(text: &str, kind: Kind) -> Cow<'_, [u8]> {
    if kind == Kind::Byte
        && let Some(byte) = text
            .strip_prefix("<0x")
            .and_then(|hex| hex.strip_suffix('>'))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
    {
        return Cow::Owned(vec![byte]);
    }
    match kind {
        Kind::Normal | Kind::UserDefined => {
            Cow::Owned(text.replace(spm::SPACE_MARK, " ").into_bytes())
        }
        _ => Cow::Borrowed(text.as_bytes()),
    }
}
