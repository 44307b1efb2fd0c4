//! The pre-tokenizer of a byte-level vocabulary says how text is cut before the merges, and what
//! else goes with the name that a file gives it.

use super::split::Splitter;
use crate::error::{Code, Error, Result};
use crate::format::metadata::{Metadata, StringArray};
use crate::format::quoted;

/// Holds what a name in `tokenizer.ggml.pre` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreTokenizer {
    /// Cuts the text into pieces.
    pub splitter: Splitter,
    /// Says whether a piece that is a token stays whole, whatever the merges say (llama.cpp's
    /// `ignore_merges`).
    pub whole_words: bool,
    /// Says whether characters are composed first (Unicode NFC), as Qwen's own tokenizer does.
    pub composes: bool,
    /// Says whether BOS comes before every text where the file does not tell.
    pub add_bos: bool,
}

/// Names the merges that are known, by a hash of them in their order: those of Qwen2 to Qwen3, of
/// Llama 3 and of SmolLM. A model that was tuned has the merges of the model that it was made of.
///
/// A hash is [`hash`] of `tokenizer.ggml.merges`, in any file of the model.
const KNOWN_MERGES: [(u64, &str); 3] = [
    (0x8916_87f6_2ed8_cbd2, "qwen2"),
    (0x4181_50f3_f674_6ab1, "llama-bpe"),
    (0x3074_7fed_4c76_106b, "smollm"),
];

impl PreTokenizer {
    /// Returns what a name stands for, by the table in `llama_vocab::impl::load` of llama.cpp's
    /// `llama-vocab.cpp`: the names there whose regular expression is one of [`Splitter`]'s.
    ///
    /// # Errors
    /// `tokenizer` for a name that is not known: another pre-tokenizer would give the model wrong
    /// tokens without a word.
    pub fn named(name: &str) -> Result<PreTokenizer> {
        let plain = |splitter| PreTokenizer {
            splitter,
            whole_words: false,
            composes: false,
            add_bos: false,
        };
        Ok(match name {
            "gpt-2" | "gpt2" | "phi-2" | "jina-es" | "jina-de" | "jina-v2-es" | "jina-v2-de"
            | "gigachat" | "a.x-4.0" | "mellum" | "modern-bert" | "exaone4" | "mpt" | "olmo"
            | "jais" | "trillion" | "granite-docling" => plain(Splitter::Gpt2),
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone"
            | "minerva-7b" | "mellum2" => plain(Splitter::SmolLm),
            "qwen2" | "deepseek-r1-qwen" | "megrez" | "kormo" | "f2llmv2" => PreTokenizer {
                composes: true,
                ..plain(Splitter::Qwen2)
            },
            "qwen35" => PreTokenizer {
                composes: true,
                ..plain(Splitter::Qwen35)
            },
            "stablelm2" | "hunyuan" | "solar-open" | "grok-2" => plain(Splitter::Qwen2),
            "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral"
            | "midm-2.0" | "lfm2" | "jina-v5-nano" => PreTokenizer {
                whole_words: true,
                add_bos: true,
                ..plain(Splitter::Llama3)
            },
            "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe" => plain(Splitter::Llama3),
            "gpt-4o" | "llama4" | "kanana2" | "talkie" => plain(Splitter::O200k),
            "tekken" => PreTokenizer {
                whole_words: true,
                add_bos: true,
                ..plain(Splitter::Tekken)
            },
            _ => {
                let message = format!(
                    "The model's pre-tokenizer {} is not supported; use a model with one of \
                     qwen2, llama-bpe, smollm, gpt-2, gpt-4o, tekken or what equals them.",
                    quoted(name)
                );
                return Err(Error::new(Code::Tokenizer, message));
            }
        })
    }

    /// Returns the pre-tokenizer that a file names. Where it names none, or `default`, which says
    /// as little, the merges tell: those that are known by their model's name.
    ///
    /// Returns `None` for a file without a name whose merges are not known. Its text can be read
    /// only if no merge ever applies, for then every way to cut it gives the same tokens.
    ///
    /// # Errors
    /// `tokenizer` for a name that is not known; `metadata` where the name is no string.
    pub(super) fn of(metadata: &Metadata, merges: &StringArray) -> Result<Option<PreTokenizer>> {
        match metadata.opt_str("tokenizer.ggml.pre")? {
            None | Some("" | "default") => {}
            Some(name) => return PreTokenizer::named(name).map(Some),
        }
        let hash = hash(merges);
        let known = KNOWN_MERGES.iter().find(|(known, _)| *known == hash);
        known.map(|(_, name)| PreTokenizer::named(name)).transpose()
    }

    /// Returns the pre-tokenizer of a vocabulary in which no merge applies.
    pub(super) fn without_merges() -> PreTokenizer {
        PreTokenizer {
            splitter: Splitter::Gpt2,
            whole_words: false,
            composes: false,
            add_bos: false,
        }
    }
}

/// Returns the error for merges that apply to text of which it is not known how it is cut.
pub(super) fn unnamed() -> Error {
    Error::new(
        Code::Tokenizer,
        "The file does not name its pre-tokenizer (tokenizer.ggml.pre), and its merges are none \
         that are known; choose a newer conversion of the model.",
    )
}

/// Hashes strings by FNV-1a, each with a line feed behind it.
fn hash(strings: &StringArray) -> u64 {
    let bytes = strings
        .iter()
        .flat_map(|string| string.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
