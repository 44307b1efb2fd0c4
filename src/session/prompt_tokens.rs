//! Tells the tokens of a request's prompt, and of prompts that no chat template writes.

use super::{Session, raw_prompt::RawPrompt, request::ChatRequest};
use crate::{
    Code, Error, Result,
    generate::Decoder,
    text::tokenizer::{Special, Tokenizer},
};
use serde_json::Value;

/// Lists the names of the tokens that stand before the prefix, before the suffix and before what
/// the model writes between them: those of Qwen2.5-Coder, and of StarCoder.
const GAP_TOKENS: [[&str; 3]; 2] = [
    ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
];

/// Returns the ids of [`GAP_TOKENS`], where the vocabulary has them.
fn gap_tokens(tokenizer: &Tokenizer) -> Option<[u32; 3]> {
    GAP_TOKENS.iter().find_map(|names| {
        let ids = names.map(|name| match tokenizer.encode(name, Special::Parse)[..] {
            [id] => Some(id),
            _ => None,
        });
        let [Some(prefix), Some(suffix), Some(middle)] = ids else {
            return None;
        };
        Some([prefix, suffix, middle])
    })
}

impl<D: Decoder> Session<D> {
    /// Returns the tokens of a request's prompt, as an answer to it would begin with them.
    ///
    /// # Errors
    ///
    /// `template`, `invalid_argument`.
    pub fn prompt_tokens(&self, request: &ChatRequest) -> Result<Vec<u32>> {
        match &request.raw_prompt {
            Some(raw) => self.raw_tokens(raw),
            None => self.prompt(
                &Value::Array(request.messages.clone()),
                request.tools.shown.as_ref(),
                &request.template_variables,
                request.ending(),
            ),
        }
    }

    /// Returns the tokens of a prompt that no template writes, after the BOS of models that were
    /// trained with it.
    pub(super) fn raw_tokens(&self, raw: &RawPrompt) -> Result<Vec<u32>> {
        let vocab_size = self.tokenizer.vocab_size();
        match raw {
            RawPrompt::Text(text) => Ok(self.with_bos(self.tokenizer.encode(text, Special::Parse))),
            RawPrompt::Tokens(tokens) => {
                match tokens.iter().find(|&&token| token as usize >= vocab_size) {
                    None => Ok(tokens.clone()),
                    Some(token) => Err(Error::new(
                        Code::InvalidArgument,
                        format!(
                            "`prompt` has the token {token}, which is outside the vocabulary of \
                             {vocab_size} tokens."
                        ),
                    )),
                }
            }
            RawPrompt::Gap { prefix, suffix } => {
                let [before_prefix, before_suffix, before_middle] = gap_tokens(&self.tokenizer)
                    .ok_or_else(|| {
                        Error::new(
                            Code::InvalidArgument,
                            "`suffix` needs a model with fill-in-the-middle tokens, and this one \
                             has none. Leave it out, or load a model such as Qwen2.5-Coder.",
                        )
                    })?;
                let text = |text: &str| self.tokenizer.encode(text, Special::Plain);
                let tokens = [
                    &[before_prefix][..],
                    &text(prefix),
                    &[before_suffix],
                    &text(suffix),
                    &[before_middle],
                ];
                Ok(self.with_bos(tokens.concat()))
            }
        }
    }

    /// Sets BOS before tokens that do not begin with it, where the tokenizer says so.
    pub(super) fn with_bos(&self, mut tokens: Vec<u32>) -> Vec<u32> {
        if let Some(bos) = self
            .tokenizer
            .bos()
            .filter(|bos| self.tokenizer.add_bos() && tokens.first() != Some(bos))
        {
            tokens.insert(0, bos);
        }
        tokens
    }
}
