//! The likeliest token of each row of logits.

use super::{LANES, Op, SLICES};
use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
};

/// Finds the largest logit of each slice of each row, then the largest of the slices.
#[derive(Clone, Copy, Debug)]
pub enum Argmax {
    /// The slices of the rows are looked through.
    Slices,
    /// The slices of a row are put together.
    Last,
}

impl Kernel for Argmax {
    const SHADER: Shader = shader!("sampling/argmax");
    type Op = Op;

    fn defines(&self) -> Defines {
        const { assert!(LANES == SLICES, "a lane has a slice at last") };
        Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .flag("LAST", matches!(self, Self::Last))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read_write(1, "row_maxima"),
            match self {
                Self::Slices => Binding::read(2, "logits"),
                Self::Last => Binding::read_write(2, "token_ids"),
            },
        ]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        match self {
            Self::Slices => [op.slices, params.tokens, 1],
            Self::Last => [1, params.tokens, 1],
        }
    }

    fn variants() -> Vec<Self> {
        vec![Self::Slices, Self::Last]
    }
}
