//! What scales and bounds logits, in the models that ask for it.

use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader, uniform},
};

/// Threads of a workgroup, each of which takes a logit.
const LANES: usize = 256;

/// `logits = softcap * tanh(scale * logits / softcap)`, or without the bound.
#[derive(Clone, Copy, Debug)]
pub struct LogitScale {
    /// Whether logits are bounded.
    pub is_bounded: bool,
    /// Whether there is a row of them for each token, and not one.
    pub of_all: bool,
}

uniform! {
    /// The sizes of logits.
    pub struct Op {
        /// Logits of a row.
        pub vocab: u32,
        /// What is multiplied with them.
        pub scale: f32,
        /// What bounds them.
        pub softcap: f32,
    }
}

impl Kernel for LogitScale {
    const SHADER: Shader = shader!("ops/logit_scale");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .flag("SOFTCAP", self.is_bounded)
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![Binding::read_write(1, "logits")]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        let rows = if self.of_all { params.tokens } else { 1 };
        [op.vocab.div_ceil(LANES as u32), rows, 1]
    }

    fn variants() -> Vec<Self> {
        [false, true]
            .map(|is_bounded| Self {
                is_bounded,
                of_all: true,
            })
            .to_vec()
    }
}
