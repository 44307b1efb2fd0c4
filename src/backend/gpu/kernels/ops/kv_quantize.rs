//! New keys and values on their way to a cache of bytes.

use crate::backend::gpu::{
    device::CacheType,
    kernels::{
        attention::HEADS,
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader, uniform},
};

/// Threads of a workgroup: each takes a block of 32 elements.
const LANES: usize = 64;

/// Quantizes keys and values to Q8_0.
#[derive(Clone, Copy, Debug)]
pub struct KvQuantize {
    /// Elements of a head.
    pub head_dim: usize,
}

uniform! {
    /// The sizes of keys and values.
    pub struct Op {
        /// Heads of keys and values together.
        pub heads: u32,
        /// Positions of the layer's cache.
        pub room: u32,
    }
}

impl Kernel for KvQuantize {
    const SHADER: Shader = shader!("ops/kv_quantize");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("HEAD_DIM", wgsl_u32(self.head_dim))
            .value("LANES", wgsl_u32(LANES))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "kv_staging"),
            Binding::read_write(2, "cache"),
        ]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        let blocks = op.heads * (self.head_dim / CacheType::Q8_0.block_len()) as u32;
        [blocks.div_ceil(LANES as u32), params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        let fits = |head_dim: &usize| head_dim.is_multiple_of(CacheType::Q8_0.block_len());
        let head_dims = HEADS.into_iter().map(|(head_dim, _)| head_dim).filter(fits);
        head_dims.map(|head_dim| Self { head_dim }).collect()
    }
}
