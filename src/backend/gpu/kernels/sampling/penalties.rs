//! Penalties, biases and the mask.

use super::{LANES, Op};
use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// Changes the logits, and finds the largest one of each slice.
#[derive(Clone, Copy, Debug)]
pub struct Penalties;

impl Kernel for Penalties {
    const SHADER: Shader = shader!("sampling/penalties");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default().value("LANES", wgsl_u32(LANES))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read_write(1, "logits"),
            Binding::read(2, "marks"),
            Binding::read(3, "bias"),
            Binding::read(4, "mask"),
            Binding::read_write(5, "maxima"),
        ]
    }

    fn grid(&self, op: &Op, _params: &StepParams) -> [u32; 3] {
        [op.slices, 1, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self]
    }
}
