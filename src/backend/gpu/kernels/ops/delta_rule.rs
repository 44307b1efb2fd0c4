//! The gated delta rule, and the norm and gate of what it gives.

use crate::backend::{
    DeltaDims,
    gpu::{
        kernels::{
            kernel::{Kernel, wgsl_u32},
            params::StepParams,
        },
        shader::{Binding, Defines, Shader, shader, uniform},
    },
};

/// Takes tokens through the state of each head.
#[derive(Clone, Copy, Debug)]
pub struct DeltaRule {
    /// Elements of a query or key.
    pub key_dim: usize,
    /// Elements of a value, each of which is a thread's.
    pub value_dim: usize,
}

impl DeltaRule {
    /// Returns the kernel for a model, if there is one.
    pub fn of(dims: &DeltaDims) -> Option<Self> {
        let (key_dim, value_dim) = (dims.key_dim, dims.value_dim);
        // A projection of one row would be a vector on the device.
        let fits = dims.value_heads > 1
            && value_dim.is_power_of_two()
            && (16..=256).contains(&value_dim)
            && key_dim <= 256;
        fits.then_some(Self { key_dim, value_dim })
    }
}

uniform! {
    /// The sizes of a DeltaNet.
    pub struct Op {
        /// Channels: queries, keys and values.
        pub channels: u32,
        /// Heads of queries and of keys.
        pub key_heads: u32,
        /// Heads of values.
        pub value_heads: u32,
        /// Numbers of a state.
        pub state: u32,
        /// Where the heads begin in a state.
        pub first: u32,
        /// Where what is added to the alphas begins in `vectors`, in vec4.
        pub dt_at: u32,
        /// Where the rates of decay begin.
        pub a_at: u32,
        /// Where the norm begins.
        pub norm_at: u32,
        /// What is added to the mean square.
        pub eps: f32,
    }
}

impl Kernel for DeltaRule {
    const SHADER: Shader = shader!("ops/delta_rule");
    type Op = Op;

    fn defines(&self) -> Defines {
        Defines::default()
            .value("KEY_DIM", wgsl_u32(self.key_dim))
            .value("LANES", wgsl_u32(self.value_dim))
    }

    fn bindings(&self) -> Vec<Binding> {
        vec![
            Binding::read(1, "qkv"),
            Binding::read(2, "gates"),
            Binding::read(3, "betas"),
            Binding::read(4, "alphas"),
            Binding::read(5, "vectors"),
            Binding::read_write(6, "states"),
            Binding::read_write(7, "out"),
        ]
    }

    fn grid(&self, op: &Op, _params: &StepParams) -> [u32; 3] {
        [op.value_heads, 1, 1]
    }

    fn variants() -> Vec<Self> {
        let dims = [(16, 16), (24, 32), (128, 128)];
        let variant = |(key_dim, value_dim)| Self { key_dim, value_dim };
        dims.map(variant).to_vec()
    }
}
