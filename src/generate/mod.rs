//! From logits to text: sampling, stopping, streaming.

pub mod event;
pub mod generator;
pub mod logprobs;
pub mod prefill_chunker;
pub mod rng;
pub mod sampler;
pub mod stop;

use crate::{Result, backend::Backend, model::Model, text::tokenizer::Tokenizer};
use sampler::Sampler;

pub use crate::model::{Outcome, STEP_TOKENS};

/// What generating needs of a model: logits that follow a sequence, and a cache of that sequence.
pub trait Decoder {
    /// The length of `logits`.
    fn vocab_size(&self) -> usize;
    /// Tokens that the cache can hold.
    fn context_tokens(&self) -> usize;
    /// Tokens in the cache now.
    fn cached_tokens(&self) -> usize;
    /// A step of fewer tokens is hardly faster. A power of two.
    fn min_batch(&self) -> usize {
        4
    }
    /// Forgets every cached token from position `tokens` on.
    fn truncate(&mut self, tokens: usize);
    /// Appends at most [`STEP_TOKENS`] `tokens` to the cache; with `sampler`, has it choose the token that follows the last of them.
    /// Asks `pause` now and then whether to return early: nothing is cached then, the same call again goes on, and any other begins anew.
    fn step(
        &mut self,
        tokens: &[u32],
        sampler: Option<&mut Sampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> impl Future<Output = Result<Outcome>>;
}

impl<B: Backend> Decoder for Model<B> {
    fn vocab_size(&self) -> usize {
        Model::vocab_size(self)
    }
    fn context_tokens(&self) -> usize {
        Model::context_tokens(self)
    }
    fn cached_tokens(&self) -> usize {
        Model::cached_tokens(self)
    }
    fn min_batch(&self) -> usize {
        self.backend.min_batch()
    }
    fn truncate(&mut self, tokens: usize) {
        Model::truncate(self, tokens);
    }
    async fn step(
        &mut self,
        tokens: &[u32],
        sampler: Option<&mut Sampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<Outcome> {
        Model::step(self, tokens, sampler, pause).await
    }
}

/// What generating needs of a tokenizer: what a token says, and which tokens end a turn.
pub trait Vocabulary {
    fn is_end(&self, token: u32) -> bool;
    /// Control tokens steer the model and are no part of its text.
    fn is_control(&self, token: u32) -> bool;
    /// May be part of a character.
    fn token_bytes(&self, token: u32) -> &[u8];
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
}
