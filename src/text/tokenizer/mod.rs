//! Text becomes token ids and comes back, with nothing but what a GGUF file says of its vocabulary.

mod added;
mod bpe;
pub mod pre;
pub mod split;
mod spm;
mod vocab;
mod wordpiece;

pub use added::Special;

use crate::error::{Code, Error, Result};
use crate::format::metadata::{Metadata, StringArray};
use crate::format::quoted;
use added::{Added, Part};
use bpe::Bpe;
use pre::PreTokenizer;
use spm::Spm;
use std::borrow::Cow;
use vocab::{Kind, Vocab, looks_special};
use wordpiece::WordPiece;

/// Tokens of these names end an answer if they are control tokens or user-defined: some converters
/// call them user-defined, or forget to name them in the header. (Qwen's vocabulary also has `</s>`
/// as a normal token, which is plain text.) The last three follow what fills a gap, as in llama.cpp.
const END_NAMES: [&str; 15] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<turn|>",
    "<|return|>",
    "<EOT>",
    "</s>",
    "<eos>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

/// Turns text into token ids and back, as the tokenizer of one model does: byte-level BPE (`gpt2`),
/// SentencePiece (`llama`), BPE of characters (`gemma4`) or WordPiece (`bert`).
///
/// ```
/// use siskin::format::metadata::{Metadata, StringArray};
/// use siskin::text::tokenizer::{Special, Tokenizer};
///
/// let mut metadata = Metadata::new();
/// metadata.insert("tokenizer.ggml.model", "gpt2");
/// metadata.insert("tokenizer.ggml.pre", "gpt-2");
/// let tokens = StringArray::from_iter(["a", "b", "ab", "<|im_end|>"]);
/// metadata.insert("tokenizer.ggml.tokens", tokens);
/// metadata.insert("tokenizer.ggml.token_type", vec![1, 1, 1, 3]);
/// metadata.insert("tokenizer.ggml.merges", StringArray::from_iter(["a b"]));
/// let tokenizer = Tokenizer::from_metadata(&metadata)?;
///
/// assert_eq!(tokenizer.encode("aba<|im_end|>", Special::Parse), [2, 0, 3]);
/// assert_eq!(tokenizer.decode(&[2, 0]), "aba");
/// assert!(tokenizer.is_end(3));
/// # Ok::<(), siskin::Error>(())
/// ```
pub struct Tokenizer {
    vocab: Vocab,
    added: Added,
    algorithm: Algorithm,
    bos: Option<u32>,
    eos: Option<u32>,
    separator: Option<u32>,
    add_bos: bool,
    /// Holds the ids of the tokens that end an answer, which are few.
    ends: Vec<u32>,
}

/// Returns the bytes that a token of this text and kind stands for.
type TokenBytes = for<'a> fn(&'a str, Kind) -> Cow<'a, [u8]>;

enum Algorithm {
    Bpe(Bpe),
    Spm(Spm),
    WordPiece(WordPiece),
}

impl Tokenizer {
    /// Reads the `tokenizer.ggml.*` keys of a GGUF file.
    ///
    /// # Errors
    /// `metadata` when a key is missing or of the wrong type; `tokenizer` when the vocabulary is of
    /// a kind that is not supported (the message names it) or contradicts itself.
    pub fn from_metadata(metadata: &Metadata) -> Result<Tokenizer> {
        let tokens = metadata.string_array("tokenizer.ggml.tokens")?;
        let kinds = read_kinds(tokens, metadata.opt_i32_array("tokenizer.ggml.token_type")?)?;
        let special_id = |name: &str| special_id(metadata, name, tokens.len());
        let vocab_of = |bytes: TokenBytes| {
            let tokens = tokens.iter().zip(kinds.iter().copied());
            Vocab::new(tokens.map(|(text, kind)| (bytes(text, kind), kind)))
        };
        let (vocab, algorithm) = match metadata.str("tokenizer.ggml.model")? {
            "gpt2" => {
                let merges = metadata.string_array("tokenizer.ggml.merges")?;
                let pre = PreTokenizer::of(metadata, merges)?;
                let vocab = vocab_of(bpe::token_bytes)?;
                let bpe = Bpe::new(pre, &vocab, merges.iter())?;
                (vocab, Algorithm::Bpe(bpe))
            }
            "llama" => {
                let vocab = vocab_of(spm::token_bytes)?;
                let scores = metadata.f32_array("tokenizer.ggml.scores")?.to_vec();
                let add_space_prefix = metadata
                    .opt_bool("tokenizer.ggml.add_space_prefix")?
                    .unwrap_or(true);
                let unknown = special_id("unknown").or_else(|| default_id(&vocab, 0));
                let spm = Spm::new(&vocab, scores, unknown, add_space_prefix)?;
                (vocab, Algorithm::Spm(spm))
            }
            "gemma4" => {
                let merges = metadata.string_array("tokenizer.ggml.merges")?;
                let vocab = vocab_of(spm::token_bytes)?;
                let bpe = Bpe::of_chars(&vocab, merges.iter());
                (vocab, Algorithm::Bpe(bpe))
            }
            "bert" => {
                let tokens = tokens.iter().zip(kinds);
                let vocab =
                    Vocab::new(tokens.map(|(text, kind)| (wordpiece::token_bytes(text), kind)))?;
                let wordpiece = WordPiece::new(metadata, &vocab, &special_id)?;
                (vocab, Algorithm::WordPiece(wordpiece))
            }
            other => {
                let message = format!(
                    "The model's tokenizer {} is not supported; use a model whose tokenizer is \
                     gpt2, llama, gemma4 or bert.",
                    quoted(other)
                );
                return Err(Error::new(Code::Tokenizer, message));
            }
        };
        let bos = special_id("bos");
        let (bos, default_eos, separator) = match &algorithm {
            Algorithm::Bpe(_) => (bos, None, None),
            Algorithm::Spm(_) => (bos.or(default_id(&vocab, 1)), default_id(&vocab, 2), None),
            Algorithm::WordPiece(words) => {
                let adds_sep = metadata.opt_bool("tokenizer.ggml.add_sep_token")?;
                let separator = (adds_sep != Some(false)).then_some(words.separator);
                (Some(words.begin), None, separator)
            }
        };
        let eos = special_id("eos").or(default_eos);
        let named_ends = [eos, special_id("eot"), special_id("eom")]
            .into_iter()
            .flatten();
        let is_end = |id: &u32| {
            is_control(vocab.kind(*id))
                && END_NAMES
                    .iter()
                    .any(|name| name.as_bytes() == vocab.bytes(*id))
        };
        let ends = vocab.ids().filter(is_end).chain(named_ends).collect();
        let adds_eos = metadata.opt_bool("tokenizer.ggml.add_eos_token")?;
        let separator = separator.or(eos.filter(|_| adds_eos == Some(true)));
        // Where the key is missing, SentencePiece vocabularies and Llama 3 expect BOS.
        let wants_bos = match &algorithm {
            Algorithm::Bpe(bpe) => bpe.adds_bos(),
            Algorithm::Spm(_) | Algorithm::WordPiece(_) => true,
        };
        Ok(Tokenizer {
            added: Added::new(&vocab, metadata.opt_str("general.architecture")?),
            algorithm,
            bos,
            eos,
            separator,
            add_bos: metadata
                .opt_bool("tokenizer.ggml.add_bos_token")?
                .unwrap_or(wants_bos),
            ends,
            vocab,
        })
    }

    /// Returns the token ids of `text`; no BOS or EOS is added.
    pub fn encode(&self, text: &str, special: Special) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        let is_found = |id| special == Special::Parse || !self.is_delimiter(id);
        self.encode_found(text, is_found, &mut ids);
        ids
    }

    /// Returns the token ids of a text that follows other text.
    pub fn encode_continued(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        self.encode_after(text, |id| !self.is_delimiter(id), false, &mut ids);
        ids
    }

    /// Returns the text of these tokens, control tokens included; U+FFFD where their bytes are no
    /// UTF-8.
    ///
    /// This is the inverse of [`Tokenizer::encode`], but for what a vocabulary cannot keep: Qwen's
    /// composes characters (NFC), and SentencePiece reads U+2581 as a space.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        let mut at_start = true;
        for &id in ids {
            bytes.extend_from_slice(match at_start {
                true => self.first_bytes(id),
                false => self.token_bytes(id),
            });
            at_start = self.is_added(id);
        }
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Returns the bytes that a token stands for, which may be part of a character; for a control
    /// token, its name; for an id outside the vocabulary, nothing.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.vocab.bytes(id)
    }

    /// Returns the bytes of a token that begins a text. SentencePiece sets a space before the first
    /// word, which is no part of the text.
    pub fn first_bytes(&self, id: u32) -> &[u8] {
        let bytes = self.token_bytes(id);
        match self.adds_space_prefix() && !self.is_added(id) {
            true => bytes.strip_prefix(b" ").unwrap_or(bytes),
            false => bytes,
        }
    }

    /// Returns whether the token is structure (`<|im_start|>`, `</s>`, `<unk>`) and not text.
    pub fn is_control(&self, id: u32) -> bool {
        is_control(self.vocab.kind(id))
    }

    /// Returns whether the token ends an answer.
    pub fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// Returns the id of BOS, the token that begins a text: `[CLS]` in WordPiece's vocabularies.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Returns the id of EOS, the token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Returns the id of the token that a text ends with which is to be embedded: WordPiece's
    /// `[SEP]`, or the EOS where the file asks for it.
    pub fn separator(&self) -> Option<u32> {
        self.separator
    }

    /// Returns whether the model was trained with BOS before every text. A chat template may write
    /// it itself.
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    /// Returns the number of tokens; their ids begin with 0.
    pub fn vocab_size(&self) -> usize {
        self.vocab.len()
    }

    /// Returns whether the token is structure by the file alone: a control token, one that begins
    /// or ends texts, or one that the file calls user-defined and whose name has the form of a
    /// control token's.
    pub(super) fn is_delimiter(&self, id: u32) -> bool {
        self.is_control(id)
            || self.is_end(id)
            || self.bos == Some(id)
            || (self.vocab.kind(id) == Kind::UserDefined && looks_special(self.vocab.bytes(id)))
    }

    /// Returns the ids of the added tokens, which are found whole in a text.
    pub(super) fn added_ids(&self) -> &[u32] {
        self.added.ids()
    }

    /// Returns the tokens that are found whole in `text`, each with the byte at which it begins,
    /// of those that `is_found` accepts.
    pub(super) fn added_in(&self, text: &str, is_found: impl Fn(u32) -> bool) -> Vec<(usize, u32)> {
        let (mut found, mut at) = (Vec::new(), 0);
        self.added.split(&self.vocab, text, is_found, |part| {
            at += match part {
                Part::Text(text) => text.len(),
                Part::Token(id) => {
                    found.push((at, id));
                    self.vocab.bytes(id).len()
                }
            };
        });
        found
    }

    /// Appends the ids of a text that begins a prompt or follows an added token, the last of `ids`.
    /// The added tokens that `is_found` accepts are found whole in it.
    pub(super) fn encode_found(
        &self,
        text: &str,
        is_found: impl Fn(u32) -> bool,
        ids: &mut Vec<u32>,
    ) {
        self.encode_after(text, is_found, true, ids);
    }

    /// Appends the ids of a text, as [`Tokenizer::encode_found`]. `at_start` says whether no other
    /// text stands right before it.
    fn encode_after(
        &self,
        text: &str,
        is_found: impl Fn(u32) -> bool,
        mut at_start: bool,
        ids: &mut Vec<u32>,
    ) {
        self.added
            .split(&self.vocab, text, is_found, |part| match part {
                Part::Token(id) => {
                    ids.push(id);
                    at_start = true;
                }
                Part::Text(text) => {
                    let text = self.added.text_behind(ids.last(), text);
                    match &self.algorithm {
                        Algorithm::Bpe(bpe) => bpe.encode(&self.vocab, text, ids),
                        Algorithm::Spm(spm) => spm.encode(&self.vocab, text, at_start, ids),
                        Algorithm::WordPiece(words) => words.encode(&self.vocab, text, ids),
                    }
                    at_start = false;
                }
            });
    }

    fn adds_space_prefix(&self) -> bool {
        match &self.algorithm {
            Algorithm::Bpe(_) => false,
            Algorithm::Spm(spm) => spm.add_space_prefix,
            Algorithm::WordPiece(_) => true,
        }
    }

    fn is_added(&self, id: u32) -> bool {
        self.is_control(id) || self.vocab.kind(id) == Kind::UserDefined
    }
}

fn is_control(kind: Kind) -> bool {
    matches!(kind, Kind::Control | Kind::Unknown)
}

/// Returns the kind of every token; without `token_type` all are normal.
fn read_kinds(tokens: &StringArray, numbers: Option<&[i32]>) -> Result<Vec<Kind>> {
    let mut kinds = match numbers {
        None => vec![Kind::Normal; tokens.len()],
        Some(numbers) if numbers.len() == tokens.len() => numbers
            .iter()
            .map(|&n| Kind::from_ggml(n).unwrap_or(Kind::Normal))
            .collect(),
        Some(numbers) => {
            let message = format!(
                "The vocabulary has {} tokens but {} types of tokens; the file is broken: choose \
                 another conversion of the model.",
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

/// Returns the id at `tokenizer.ggml.{name}_token_id`, if there is one and the vocabulary has it.
/// Another value counts as none, as in llama.cpp: the key is optional, and the file good without.
fn special_id(metadata: &Metadata, name: &str, vocab_size: usize) -> Option<u32> {
    let key = format!("tokenizer.ggml.{name}_token_id");
    let id = metadata.opt_u64(&key).ok().flatten()?;
    u32::try_from(id)
        .ok()
        .filter(|&id| (id as usize) < vocab_size)
}

/// Returns the id that SentencePiece gives a special token by default, which llama.cpp too takes
/// where the file names none: 0 is unknown, 1 is BOS, 2 is EOS. It must be a control token.
fn default_id(vocab: &Vocab, id: u32) -> Option<u32> {
    Some(id).filter(|&id| is_control(vocab.kind(id)))
}
