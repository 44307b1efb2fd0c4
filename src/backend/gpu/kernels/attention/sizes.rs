//! The sizes of attention that its kernels share.

use crate::backend::gpu::{device::CacheType, shader::uniform};

/// Positions that a workgroup of `decode` scores at once, a lane each. 64 is the least size of a
/// workgroup that fills the widest subgroups (AMD's).
pub(super) const TILE: usize = 64;
/// The most splits of the context, which workgroups attend to side by side.
pub const MAX_SPLITS: usize = 32;
/// Elements of a head, and query heads that share a key-value head: what models have (SmolLM2,
/// Qwen2.5, Llama 3, Phi-3, Gemma), and the least.
pub const HEADS: [(usize, usize); 9] = [
    (8, 1),
    (64, 1),
    (64, 3),
    (64, 7),
    (80, 4),
    (96, 1),
    (128, 8),
    (256, 4),
    (512, 4),
];

uniform! {
    /// The sizes of attention.
    pub struct Op {
        /// Query heads.
        pub heads: u32,
        /// Key-value heads.
        pub kv_heads: u32,
        /// Positions of the layer's cache.
        pub room: u32,
        /// [`MAX_SPLITS`], the splits that `partials` has room for.
        pub max_splits: u32,
        /// The last positions that a token sees.
        pub window: u32,
        /// What is multiplied with the scores.
        pub scale: f32,
        /// What bounds them.
        pub softcap: f32,
    }
}

/// Returns how the context is cut: positions of a split, and the number of splits.
pub fn splits(positions: usize) -> (usize, usize) {
    let span = positions.div_ceil(TILE * MAX_SPLITS).max(1) * TILE;
    (span, positions.div_ceil(span))
}

/// Returns every head and cache type that go together, and whether scores are bounded. A bound has
/// nothing to do with the length of a head, so that one of them has both.
pub(super) fn every_head() -> impl Iterator<Item = (usize, usize, CacheType, bool)> {
    let all = CacheType::ALL.into_iter().flat_map(|cache_type| {
        HEADS.into_iter().flat_map(move |(head_dim, gqa_group)| {
            [false, true].map(|is_bounded| (head_dim, gqa_group, cache_type, is_bounded))
        })
    });
    all.filter(|&(head_dim, _, cache_type, is_bounded)| {
        head_dim.is_multiple_of(cache_type.block_len()) && (!is_bounded || head_dim == 256)
    })
}
