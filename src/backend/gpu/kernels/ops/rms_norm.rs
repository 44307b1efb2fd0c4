//! The norm in front of products of many tokens. Those of one token do it themselves.

use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader, uniform},
};

/// Threads of a workgroup, which takes a token.
const LANES: usize = 64;

/// `h = rms_norm(x) * norm`
#[derive(Clone, Copy, Debug)]
pub struct RmsNorm;

uniform! {
    /// The sizes of a norm.
    pub struct Op {
        /// The width of x, in vec4.
        pub width: u32,
        /// Where the norm begins in `vectors`, in vec4.
        pub norm_at: u32,
        /// What is added to the mean square.
        pub eps: f32,
    }
}

impl Kernel for RmsNorm {
    const SHADER: Shader = shader!("ops/rms_norm");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default().value("LANES", wgsl_u32(LANES))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "x"),
            Binding::read(2, "vectors"),
            Binding::read_write(3, "h"),
        ]
    }

    fn grid(&self, _op: &Op, params: &StepParams) -> [u32; 3] {
        [1, params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self]
    }
}
