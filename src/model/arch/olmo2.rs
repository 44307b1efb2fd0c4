//! Declares the architecture of OLMo 2: norms behind attention and the feed-forward network, and not
//! before, and norms of all queries and of all keys of a token.

use crate::{
    backend::RopePairs,
    model::architecture::{Architecture, Norms, QkNorm},
};

pub(super) fn architecture() -> Architecture {
    Architecture {
        rope_pairs: RopePairs::Halves,
        norms: Norms::Post,
        qk_norm: QkNorm::All,
        ..Architecture::LLAMA
    }
}
