//! What joins the splits of attention.

use super::sizes::{HEADS, Op};
use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// `out = sum of the splits`, each weighted by the exponential of its maximum.
#[derive(Clone, Copy, Debug)]
pub struct Reduce {
    /// Elements of a head.
    pub head_dim: usize,
}

impl Kernel for Reduce {
    const SHADER: Shader = shader!("attention/reduce");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default().value("HEAD_DIM", wgsl_u32(self.head_dim))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![Binding::read(1, "partials"), Binding::read_write(2, "out")]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.heads, params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        HEADS.map(|(head_dim, _)| Self { head_dim }).to_vec()
    }
}
