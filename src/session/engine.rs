//! The backends that exist. Nothing to the left of the session knows that there is more than one.

use crate::{
    Result,
    backend::cpu::Cpu,
    generate::Decoder,
    loader::{Loader, Options},
    model::Model,
};

pub use crate::backend::cpu::pool::{Pool, Seat};

/// Loads a model for the backend that was picked for it.
pub type EngineLoader = Loader<Cpu>;

/// Picks the backend; on the CPU, `pool` shares its work. What the loader gives becomes a session: `loader.finish()?.into()`.
pub fn loader(options: Options, pool: Pool) -> EngineLoader {
    Loader::new(Cpu::new(pool), options)
}

/// A model on the backend that was picked for it.
pub enum Engine {
    Cpu(Model<Cpu>),
}

impl Engine {
    /// As [`Model::forward_all`].
    pub async fn forward_all(&mut self, tokens: &[u32], logits: &mut Vec<f32>) -> Result<()> {
        match self {
            Engine::Cpu(model) => model.forward_all(tokens, logits).await,
        }
    }
}

impl Decoder for Engine {
    fn vocab_size(&self) -> usize {
        match self {
            Engine::Cpu(model) => model.vocab_size(),
        }
    }
    fn context_tokens(&self) -> usize {
        match self {
            Engine::Cpu(model) => model.context_tokens(),
        }
    }
    fn cached_tokens(&self) -> usize {
        match self {
            Engine::Cpu(model) => model.cached_tokens(),
        }
    }
    fn truncate(&mut self, tokens: usize) {
        match self {
            Engine::Cpu(model) => model.truncate(tokens),
        }
    }
    async fn step(&mut self, tokens: &[u32], logits: Option<&mut Vec<f32>>, pause: &mut impl FnMut() -> bool) -> Result<f32> {
        match self {
            Engine::Cpu(model) => model.step(tokens, logits, pause).await,
        }
    }
}
