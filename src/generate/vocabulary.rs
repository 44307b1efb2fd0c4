//! Defines what generating needs of a tokenizer.

use crate::text::tokenizer::Tokenizer;

/// Knows the tokens of a model: what each of them says, and which of them end a turn.
pub trait Vocabulary {
    /// Returns whether the token ends a turn (EOS, or the end-of-turn token of a chat model).
    fn is_end(&self, token: u32) -> bool;

    /// Returns whether the token steers the model and is no part of its text.
    fn is_control(&self, token: u32) -> bool;

    /// Returns the token's bytes, which may be a part of a UTF-8 character.
    fn token_bytes(&self, token: u32) -> &[u8];

    /// Returns the bytes of a token that begins an answer, without the space that SentencePiece
    /// sets before the first word of a text.
    fn first_bytes(&self, token: u32) -> &[u8] {
        self.token_bytes(token)
    }
}

impl Vocabulary for Tokenizer {
    fn is_end(&self, token: u32) -> bool {
        Tokenizer::is_end(self, token)
    }
    fn is_control(&self, token: u32) -> bool {
        Tokenizer::is_control(self, token)
    }
    fn token_bytes(&self, token: u32) -> &[u8] {
        Tokenizer::token_bytes(self, token)
    }
    fn first_bytes(&self, token: u32) -> &[u8] {
        Tokenizer::first_bytes(self, token)
    }
}
