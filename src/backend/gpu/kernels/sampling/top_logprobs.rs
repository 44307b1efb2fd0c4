//! What log-probabilities are made of, before anything changes the logits.

use super::{LANES, MAX_LOGPROBS, Op};
use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// Finds the largest logits of each slice, and the sum of its exponentials.
#[derive(Clone, Copy, Debug)]
pub struct TopLogprobs;

impl Kernel for TopLogprobs {
    const SHADER: Shader = shader!("sampling/top_logprobs");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .value("MAX_LOGPROBS", wgsl_u32(MAX_LOGPROBS))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "logits"),
            Binding::read_write(2, "raw"),
            Binding::read_write(3, "ranked"),
            Binding::read_write(4, "sums"),
        ]
    }

    fn grid(&self, op: &Op, _params: &StepParams) -> [u32; 3] {
        [op.slices, 1, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self]
    }
}
