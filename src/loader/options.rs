//! What may be asked of a load.

/// Holds the options of a load.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sets how many tokens the KV cache holds, at most the context that the model was trained
    /// on. `None` asks for [`DEFAULT_CONTEXT_TOKENS`](super::DEFAULT_CONTEXT_TOKENS).
    pub context_tokens: Option<usize>,
    /// Sets how many conversations have a KV cache of their own, from 1 to [`MAX_SLOTS`]. `None`
    /// asks for 1.
    pub slots: Option<usize>,
    /// Holds a chat template that takes the place of the file's templates.
    pub chat_template: Option<String>,
}

/// Limits the slots of a model.
pub const MAX_SLOTS: usize = 8;
