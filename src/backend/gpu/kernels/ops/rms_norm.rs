//! The norm in front of products of many tokens (those of one token do it themselves), that of heads,
//! and that behind products.

use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader, uniform},
};

/// Threads of a workgroup, which takes a row.
const LANES: usize = 64;

/// What a norm reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RmsNorm {
    /// `h = rms_norm(x) * norm`
    Store,
    /// `h = rms_norm(h) * norm`
    InPlace,
    /// `h = scale * (h + rms_norm(x) * norm)`
    Add,
}

uniform! {
    /// The sizes of a norm.
    pub struct Op {
        /// The width of a row, in vec4.
        pub width: u32,
        /// Where the norm begins in `vectors`, in vec4.
        pub norm_at: u32,
        /// What is added to the mean square.
        pub eps: f32,
        /// Rows of a token: heads.
        pub rows: u32,
        /// What multiplies a sum.
        pub scale: f32,
    }
}

impl Kernel for RmsNorm {
    const SHADER: Shader = shader!("ops/rms_norm");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .flag("IN_PLACE", *self == RmsNorm::InPlace)
            .flag("ADD", *self == RmsNorm::Add)
    }

    fn bindings(&self) -> Vec<Binding> {
        let mut bindings = vec![Binding::read(2, "vectors"), Binding::read_write(3, "h")];
        if *self != RmsNorm::InPlace {
            bindings.push(Binding::read(1, "x"));
        }
        bindings
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.rows, params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        vec![Self::Store, Self::InPlace, Self::Add]
    }
}
