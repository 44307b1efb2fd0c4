//! Makes matchers for a model's vocabulary.

use super::{form::Form, matcher::Matcher};
use crate::{Code, Error, Result, text::tokenizer::Tokenizer};
use llguidance::{
    ParserFactory,
    api::ParserLimits,
    toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv},
};
use std::sync::Arc;

/// Limits the states of a lexer, of 1 to 2 kB each: llguidance's own limit would take half a
/// gigabyte. The 600 answers of `scripts/grammar` need at most a tenth.
const MAX_LEXER_STATES: usize = 30_000;

/// Compiles forms for a model's vocabulary.
pub struct Grammars {
    factory: ParserFactory,
}

impl Grammars {
    /// Makes the tables of a vocabulary: a trie of all tokens, and of those within JSON strings.
    ///
    /// # Errors
    ///
    /// `tokenizer` for a vocabulary without a token that ends an answer.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Result<Self> {
        let vocab_size = tokenizer.vocab_size() as u32;
        let ends: Vec<u32> = (0..vocab_size).filter(|&id| tokenizer.is_end(id)).collect();
        let Some(&end) = ends.first() else {
            return Err(Error::new(
                Code::Tokenizer,
                "The model has no token that ends an answer, so answers cannot be held to a form.",
            ));
        };
        let words: Vec<Vec<u8>> = (0..vocab_size).map(|id| word(&tokenizer, id)).collect();
        let trie = TokTrie::from(&TokRxInfo::new(vocab_size, end), &words).with_eos_tokens(&ends);
        let env: TokEnv = Arc::new(Vocabulary { tokenizer, trie });
        let slices = llguidance::earley::SlicedBiasComputer::json_slices();
        let capabilities = InferenceCapabilities {
            ff_tokens: true,
            ..InferenceCapabilities::default()
        };
        let mut factory = ParserFactory::new(&env, capabilities, &slices)
            .map_err(|error| Error::new(Code::Tokenizer, error.to_string()))?;
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            max_lexer_states: MAX_LEXER_STATES,
            verbose_errors: false,
            ..ParserLimits::default()
        };
        Ok(Self { factory })
    }

    /// Compiles a form.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, with a message that names the keyword which is not supported, or what
    /// is wrong.
    pub fn compile(&self, form: &Form) -> Result<Matcher> {
        let parser = self.factory.create_parser(form.grammar()?);
        let matcher = llguidance::Matcher::new(parser);
        match matcher.get_error() {
            None => Ok(matcher.into()),
            Some(message) => Err(form.refusal(&message)),
        }
    }
}

/// Returns the bytes of a token as llguidance wants them: a marker stands before the name of a
/// control token, which is no text.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    let bytes = tokenizer.token_bytes(id);
    match tokenizer.is_control(id) || tokenizer.is_end(id) {
        true => [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat(),
        false => bytes.to_vec(),
    }
}

/// Is a vocabulary in llguidance's form.
struct Vocabulary {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        let tokens = str::from_utf8(bytes)
            .map(|text| self.tokenizer.encode_continued(text))
            .unwrap_or_default();
        // A tokenizer may change the text (Qwen's composes characters), and must not here.
        let same = tokens
            .iter()
            .flat_map(|&token| self.tokenizer.token_bytes(token))
            .eq(bytes);
        match same {
            true => tokens,
            false => self.trie.greedy_tokenize(bytes),
        }
    }
}
