//! The candidates of a draw.

use super::{LANES, Op};
use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// Keeps the logits that are near enough to the largest one to be drawn at all.
#[derive(Clone, Copy, Debug)]
pub struct FilterLogits;

impl Kernel for FilterLogits {
    const SHADER: Shader = shader!("sampling/filter_logits");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default().value("LANES", wgsl_u32(LANES))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "logits"),
            Binding::read(2, "maxima"),
            Binding::read_write(3, "kept"),
            Binding::read_write(4, "counts"),
        ]
    }

    fn grid(&self, op: &Op, _params: &StepParams) -> [u32; 3] {
        [op.slices, 1, 1]
    }

    /// Nothing is drawn at temperature 0.
    fn is_needed(&self, params: &StepParams) -> bool {
        params.temperature != 0.0
    }

    fn variants() -> Vec<Self> {
        vec![Self]
    }
}
