//! The convolution in front of a gated DeltaNet, and its last inputs on their way to a state.

use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader, uniform},
};

/// Threads of a workgroup: each takes a channel of a token.
const LANES: usize = 64;

/// Convolves queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub struct DeltaConv;

uniform! {
    /// The sizes of a convolution.
    pub struct Op {
        /// Channels: queries, keys and values.
        pub channels: u32,
        /// Positions that a token sees, its own included.
        pub taps: u32,
        /// Numbers of a state.
        pub state: u32,
        /// Where the convolution begins in `vectors`, in vec4.
        pub conv_at: u32,
    }
}

impl Kernel for DeltaConv {
    const SHADER: Shader = shader!("ops/delta_conv");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default().value("LANES", wgsl_u32(LANES))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "raw"),
            Binding::read(2, "vectors"),
            Binding::read_write(3, "states"),
            Binding::read_write(4, "out"),
        ]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.channels.div_ceil(LANES as u32), params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self]
    }
}
