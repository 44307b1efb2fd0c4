//! The log-probabilities of the sampled token and of the likeliest ones.

use super::{MAX_LOGPROBS, Op, SLICES};
use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// Puts the slices of `top_logprobs` together.
#[derive(Clone, Copy, Debug)]
pub struct Logprobs;

impl Kernel for Logprobs {
    const SHADER: Shader = shader!("sampling/logprobs");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("LANES", wgsl_u32(SLICES))
            .value("MAX_LOGPROBS", wgsl_u32(MAX_LOGPROBS))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "raw"),
            Binding::read(2, "ranked"),
            Binding::read(3, "sums"),
            Binding::read(4, "token_ids"),
            Binding::read_write(5, "logprobs"),
        ]
    }

    fn grid(&self, _op: &Op, _params: &StepParams) -> [u32; 3] {
        [1, 1, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self]
    }
}
