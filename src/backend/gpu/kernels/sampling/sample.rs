//! The draw.

use super::{Op, SLICES};
use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// Threads of the one workgroup: the most that every WebGPU device has.
const LANES: usize = 256;

/// Samples a token from the candidates, or takes the likeliest one.
#[derive(Clone, Copy, Debug)]
pub struct Sample;

impl Kernel for Sample {
    const SHADER: Shader = shader!("sampling/sample");
    type Op = Op;

    fn defines(&self) -> Defines {
        const { assert!(LANES.is_multiple_of(SLICES)) };
        Defines::default().value("LANES", wgsl_u32(LANES))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "maxima"),
            Binding::read(2, "kept"),
            Binding::read(3, "counts"),
            Binding::read_write(4, "token_ids"),
            Binding::read_write(5, "marks"),
        ]
    }

    fn grid(&self, _op: &Op, _params: &StepParams) -> [u32; 3] {
        [1, 1, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self]
    }
}
