//! The rows of the token table.

use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, layouts, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader, uniform},
    weights::{Planes, repack::Layout},
};

/// Blocks of 32 columns that a workgroup takes, a lane each.
const LANES: usize = 32;

/// `x = scale * table[token ids]`
#[derive(Clone, Copy, Debug)]
pub struct Embed {
    /// The table's format.
    pub layout: Layout,
}

uniform! {
    /// The sizes of a part of the table.
    pub struct Op {
        /// Where its planes lie.
        pub planes_a: Planes,
        /// The first row of this part.
        pub first_row: u32,
        /// Rows of this part.
        pub rows: u32,
        /// What is multiplied with a row.
        pub scale: f32,
    }
}

impl Kernel for Embed {
    const SHADER: Shader = shader!("ops/embed");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("A", self.layout.name)
            .value("LANES", wgsl_u32(LANES))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "weight_a"),
            Binding::read(2, "token_ids"),
            Binding::read_write(3, "x"),
        ]
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [op.planes_a.blocks.div_ceil(LANES as u32), params.tokens, 1]
    }

    fn variants() -> Vec<Self> {
        layouts()
            .into_iter()
            .map(|layout| Self { layout })
            .collect()
    }
}
