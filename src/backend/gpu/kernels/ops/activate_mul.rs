//! Gate and up of a feed-forward network, where their products stand by themselves.

use crate::backend::{
    Activation,
    gpu::{
        kernels::{
            kernel::{Kernel, wgsl_u32},
            params::StepParams,
        },
        shader::{Binding, Defines, Shader, shader, uniform},
    },
};

/// Threads of a workgroup, each of which takes a number.
const LANES: usize = 256;

/// `out = activation(out) * up`
#[derive(Clone, Copy, Debug)]
pub struct ActivateMul {
    /// The activation.
    pub activation: Activation,
}

uniform! {
    /// The sizes of the gate.
    pub struct Op {
        /// Numbers of a token.
        pub width: u32,
    }
}

impl Kernel for ActivateMul {
    const SHADER: Shader = shader!("ops/activate_mul");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .flag("GELU", self.activation == Activation::Gelu)
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![Binding::read(1, "up"), Binding::read_write(2, "out")]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.width.div_ceil(LANES as u32), params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        [Activation::Silu, Activation::Gelu]
            .map(|activation| Self { activation })
            .to_vec()
    }
}
