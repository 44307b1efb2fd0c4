//! What q, k and v of many tokens go through behind their products. Those of one token do it there.

use crate::backend::{
    RopePairs,
    gpu::{
        device::CacheType,
        kernels::{
            kernel::{Kernel, wgsl_u32},
            params::StepParams,
        },
        shader::{Binding, Defines, Shader, shader, uniform},
    },
};

/// Threads of a workgroup: each takes two pairs that stand side by side.
const LANES: usize = 64;

/// Adds biases to q, k and v, rotates q and k, and puts k and v into the cache.
#[derive(Clone, Copy, Debug)]
pub struct QkvRope {
    /// Which elements of a head are rotated together.
    pub pairs: RopePairs,
    /// How keys and values are kept.
    pub cache_type: CacheType,
}

uniform! {
    /// The sizes of q, k and v.
    pub struct Op {
        /// Rows of q: heads * head_dim.
        pub rows: u32,
        /// Rows of k and of v.
        pub other_rows: u32,
        /// Where the bias of q begins in `vectors`, in vec4; or none.
        pub bias_a: u32,
        /// Where that of k begins.
        pub bias_b: u32,
        /// Where that of v begins.
        pub bias_c: u32,
        /// Elements of a head.
        pub head_dim: u32,
        /// How many of them are rotated.
        pub rotated: u32,
        /// Positions of the layer's cache.
        pub room: u32,
    }
}

/// Returns the variable that takes keys and values: a cache of bytes needs whole blocks, so that
/// they are staged first (`ops/kv_quantize`).
pub fn kv_target(cache_type: CacheType) -> &'static str {
    match cache_type {
        CacheType::F16 => "cache",
        CacheType::Q8_0 => "kv_staging",
    }
}

impl Kernel for QkvRope {
    const SHADER: Shader = shader!("ops/qkv_rope");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .flag("HALVES", self.pairs == RopePairs::Halves)
            .flag("KV_Q8_0", self.cache_type == CacheType::Q8_0)
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read_write(1, "q"),
            Binding::read(2, "k"),
            Binding::read(3, "v"),
            Binding::read(4, "vectors"),
            Binding::read(5, "rope_table"),
            Binding::read_write(6, kv_target(self.cache_type)),
        ]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        let double_pairs = (op.rows + 2 * op.other_rows) / 4;
        [double_pairs.div_ceil(LANES as u32), params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        let pairs = [RopePairs::Adjacent, RopePairs::Halves];
        let variant = |pairs| CacheType::ALL.map(|cache_type| Self { pairs, cache_type });
        pairs.into_iter().flat_map(variant).collect()
    }
}
