//! Attention of many tokens.

use super::sizes::{Op, every_head};
use crate::backend::gpu::{
    device::CacheType,
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// Queries of a tile, and positions: half of a workgroup's 64 lanes fetch the ones, half the others.
const SIDE: usize = 32;
/// The elements that a head's must be a multiple of: eight lanes have eight elements each.
const HEAD_DIM_MULTIPLE: usize = 64;

/// `out = softmax(q K^T / sqrt(head_dim)) V`
#[derive(Clone, Copy, Debug)]
pub struct Prefill {
    /// Elements of a head.
    pub head_dim: usize,
    /// Query heads that share a key-value head.
    pub gqa_group: usize,
    /// How keys and values are kept.
    pub cache_type: CacheType,
    /// Whether scores are bounded.
    pub is_bounded: bool,
}

impl Prefill {
    /// Returns whether heads of so many elements can be taken.
    pub fn fits(head_dim: usize) -> bool {
        head_dim.is_multiple_of(HEAD_DIM_MULTIPLE)
    }
}

impl Kernel for Prefill {
    const SHADER: Shader = shader!("attention/prefill");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("HEAD_DIM", wgsl_u32(self.head_dim))
            .value("GQA_GROUP", wgsl_u32(self.gqa_group))
            .value("SIDE", wgsl_u32(SIDE))
            .flag("KV_Q8_0", self.cache_type == CacheType::Q8_0)
            .flag("SOFTCAP", self.is_bounded)
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "q"),
            Binding::read(2, "cache"),
            Binding::read_write(3, "out"),
        ]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        let queries = params.tokens * self.gqa_group as u32;
        [op.kv_heads, queries.div_ceil(SIDE as u32), 1]
    }

    fn variants() -> Vec<Self> {
        let make = |(head_dim, gqa_group, cache_type, is_bounded)| Self {
            head_dim,
            gqa_group,
            cache_type,
            is_bounded,
        };
        let variants = every_head().map(make);
        variants.filter(|it| Self::fits(it.head_dim)).collect()
    }
}
