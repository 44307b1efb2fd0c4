//! The gate of what a layer takes beside the residual stream.

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

/// Threads of a workgroup: each takes an element.
const LANES: usize = 64;

/// `a = activation(a) * inputs`
#[derive(Clone, Copy, Debug)]
pub struct InputGate {
    /// The activation function of the gate.
    pub activation: Activation,
}

uniform! {
    /// The sizes of what a layer takes.
    pub struct Op {
        /// Elements that it takes of a token.
        pub width: u32,
        /// The first of them among those of all layers.
        pub first: u32,
        /// Elements of all layers.
        pub stride: u32,
    }
}

impl Kernel for InputGate {
    const SHADER: Shader = shader!("ops/input_gate");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .flag("GELU", self.activation == Activation::Gelu)
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![Binding::read(1, "inputs"), Binding::read_write(2, "a")]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.width.div_ceil(LANES as u32), params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        let activations = [Activation::Silu, Activation::Gelu];
        activations.map(|activation| Self { activation }).to_vec()
    }
}
