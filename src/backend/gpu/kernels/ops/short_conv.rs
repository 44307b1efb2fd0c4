//! A short convolution between two gates, and its inputs on their way to the cache.

use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader, uniform},
};

/// Threads of a workgroup: each takes two channels of a token.
const LANES: usize = 64;

/// Convolves positions, each channel by itself.
#[derive(Clone, Copy, Debug)]
pub struct ShortConv;

uniform! {
    /// The sizes of a convolution.
    pub struct Op {
        /// Pairs of channels.
        pub pairs: u32,
        /// Positions that a token sees, its own included.
        pub taps: u32,
        /// Where the convolution begins in `vectors`, in vec4.
        pub conv_at: u32,
    }
}

impl Kernel for ShortConv {
    const SHADER: Shader = shader!("ops/short_conv");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default().value("LANES", wgsl_u32(LANES))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "bcu"),
            Binding::read(2, "vectors"),
            Binding::read_write(3, "conv_inputs"),
            Binding::read_write(4, "out"),
        ]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.pairs.div_ceil(LANES as u32), params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self]
    }
}
