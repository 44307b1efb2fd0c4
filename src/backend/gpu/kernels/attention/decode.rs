//! Attention of one token over one split of the context.

use super::sizes::{Op, TILE, every_head};
use crate::backend::gpu::{
    device::CacheType,
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// `partials = softmax(q K^T / sqrt(head_dim)) V` of a split, with its maximum and its sum.
#[derive(Clone, Copy, Debug)]
pub struct Decode {
    /// Elements of a head.
    pub head_dim: usize,
    /// Query heads that share a key-value head.
    pub gqa_group: usize,
    /// How keys and values are kept.
    pub cache_type: CacheType,
    /// Whether scores are bounded.
    pub is_bounded: bool,
}

impl Decode {
    /// Returns the bytes of workgroup memory that the shader takes: the queries, the scores of a
    /// tile, three numbers for each query head, and the sums of lanes that share a word.
    pub fn workgroup_bytes(&self) -> usize {
        let words = self.head_dim / 2;
        let parts = (TILE / words).max(1);
        let heads = self.gqa_group * (self.head_dim + TILE + 3) * size_of::<f32>();
        heads + (self.gqa_group * words * (parts - 1) + 1) * size_of::<[f32; 2]>()
    }
}

impl Kernel for Decode {
    const SHADER: Shader = shader!("attention/decode");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("HEAD_DIM", wgsl_u32(self.head_dim))
            .value("GQA_GROUP", wgsl_u32(self.gqa_group))
            .value("TILE", wgsl_u32(TILE))
            .flag("KV_Q8_0", self.cache_type == CacheType::Q8_0)
            .flag("SOFTCAP", self.is_bounded)
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "q"),
            Binding::read(2, "cache"),
            Binding::read_write(3, "partials"),
        ]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.kv_heads, params.splits, params.tokens]
    }

    fn variants() -> Vec<Self> {
        let make = |(head_dim, gqa_group, cache_type, is_bounded)| Self {
            head_dim,
            gqa_group,
            cache_type,
            is_bounded,
        };
        every_head().map(make).collect()
    }
}
