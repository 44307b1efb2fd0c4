//! Queries that come with gates of what they attend to.

use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader, uniform},
};

/// Threads of a workgroup: each takes an element.
const LANES: usize = 64;

/// What is done with queries and their gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryGate {
    /// Queries are taken from beside their gates.
    Take,
    /// What they attended to is multiplied by the gates' sigmoids.
    Gate,
}

uniform! {
    /// The sizes of queries.
    pub struct Op {
        /// Elements of a head.
        pub head_dim: u32,
        /// Elements of all queries of a token.
        pub width: u32,
    }
}

impl Kernel for QueryGate {
    const SHADER: Shader = shader!("ops/query_gate");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .flag("GATE", *self == Self::Gate)
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![Binding::read(1, "both"), Binding::read_write(2, "out")]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.width.div_ceil(LANES as u32), params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self::Take, Self::Gate]
    }
}
