//! Follows an answer through its form.

use crate::{Code, Error, Result};
use llguidance::toktrie::TokTrie;

/// Follows an answer through its form, token by token.
#[derive(Clone)]
pub struct Matcher {
    inner: llguidance::Matcher,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher").finish_non_exhaustive()
    }
}

impl From<llguidance::Matcher> for Matcher {
    fn from(inner: llguidance::Matcher) -> Self {
        Self { inner }
    }
}

impl Matcher {
    /// Writes the tokens that may come next to `mask`, a bit for each: where the answer is
    /// complete, those that end it.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when the form is too complex for its next token to be found.
    pub fn mask(&mut self, mask: &mut [u32]) -> Result<()> {
        let allowed = self.inner.compute_mask_or_eos().map_err(too_complex)?;
        mask.fill(0);
        for (word, &allowed) in mask.iter_mut().zip(allowed.as_slice()) {
            *word = allowed;
        }
        Ok(())
    }

    /// Takes the tokens that came next. If the form does not allow them, the next mask is an error.
    pub fn accept(&mut self, tokens: &[u32]) {
        // The matcher keeps the error.
        let _ = self.inner.consume_tokens(tokens);
    }

    /// Takes a text that came before the first token.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when the form does not allow it.
    pub fn begin(&mut self, text: &str) -> Result<()> {
        let tokens = self.tokenize(text.as_bytes());
        self.inner.consume_tokens(&tokens).map_err(|_| {
            Error::new(
                Code::InvalidArgument,
                "`continue_final_message` goes on with a message that the form of the answer does \
                 not allow; begin it as the form does.",
            )
        })
    }

    /// Returns the tokens of bytes that follow others.
    pub(super) fn tokenize(&self, bytes: &[u8]) -> Vec<u32> {
        self.inner
            .tok_env()
            .map_or_else(|_| Vec::new(), |env| env.tokenize_bytes(bytes))
    }

    /// Returns the bytes of a token; for a control token, its name.
    pub(super) fn token_bytes(&self, token: u32) -> Vec<u8> {
        let Ok(env) = self.inner.tok_env() else {
            return Vec::new();
        };
        let bytes = env.tok_trie().token(token);
        bytes
            .strip_prefix(&[TokTrie::SPECIAL_TOKEN_MARKER])
            .unwrap_or(bytes)
            .to_vec()
    }

    /// Returns the tokens that must come next, which may be none.
    pub fn forced(&mut self) -> Vec<u32> {
        self.inner.compute_ff_tokens()
    }

    /// Returns whether the answer is complete, so that nothing may follow.
    pub fn is_complete(&self) -> bool {
        self.inner.is_stopped() && !self.inner.is_error()
    }
}

fn too_complex(error: impl std::fmt::Display) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("The form of the answer is too complex: {error}. Make it simpler."),
    )
}
