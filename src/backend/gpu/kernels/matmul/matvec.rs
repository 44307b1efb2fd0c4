//! A weight times one token's activations, with what comes before and after the product.

use crate::backend::{
    Activation, RopePairs,
    gpu::{
        device::CacheType,
        kernels::{
            kernel::{Kernel, layouts, wgsl_u32},
            ops::qkv_rope,
            params::StepParams,
        },
        shader::{Binding, Defines, Shader, shader, uniform},
        weights::{Planes, repack::Layout},
    },
};

/// Threads of a workgroup: the size of a subgroup on NVIDIA's and Apple's cards, and half of it on
/// AMD's. The shader has a bit of a word for each.
const LANES: usize = 32;
/// Rows that a workgroup takes, so that x is read once for all of them.
pub const ROWS: usize = 4;
/// The most workgroups along one axis that every WebGPU device has.
const MAX_GROUPS: usize = 65_535;

/// What the product is a part of.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// The rows of q, k and v, whose input is normed: biases, rotation, and k and v go to the cache.
    Qkv {
        /// The formats of q, k and v.
        layouts: [Layout; 3],
        /// Which elements of a head are rotated together.
        pairs: RopePairs,
        /// How keys and values are kept.
        cache_type: CacheType,
    },
    /// `activation(gate h) * (up h)`, whose input is normed.
    GateUp {
        /// The activation.
        activation: Activation,
        /// The formats of gate and up.
        layouts: [Layout; 2],
        /// Whether either has a bias.
        is_biased: bool,
    },
    /// `out = w x`
    Store {
        /// The weight's format.
        layout: Layout,
        /// Whether it has a bias.
        is_biased: bool,
    },
    /// `out += w x`
    Add {
        /// The weight's format.
        layout: Layout,
        /// Whether it has a bias.
        is_biased: bool,
    },
    /// The logits of one row of x, which is normed.
    LmHead {
        /// The weight's format.
        layout: Layout,
        /// Whether it has a bias.
        is_biased: bool,
    },
}

impl Role {
    /// Whether x is normed.
    fn is_normed(self) -> bool {
        !matches!(self, Role::Add { .. } | Role::Store { .. })
    }

    /// Whether biases are added. `Qkv` looks for its own in every variant.
    fn is_biased(self) -> bool {
        match self {
            Role::Qkv { .. } => false,
            Role::GateUp { is_biased, .. }
            | Role::Store { is_biased, .. }
            | Role::Add { is_biased, .. }
            | Role::LmHead { is_biased, .. } => is_biased,
        }
    }
}

/// A product of one token.
#[derive(Clone, Copy, Debug)]
pub struct Matvec {
    /// What it is a part of.
    pub role: Role,
    /// Whether products are made in integers, where every weight's quants are bytes.
    pub int8_dot: bool,
}

uniform! {
    /// The sizes of a product: `shaders/lib/matvec_io.wgsl`.
    pub struct Op {
        /// Where the planes of the first weight lie.
        pub planes_a: Planes,
        /// Where those of the second one lie: k, or up.
        pub planes_b: Planes,
        /// Where those of the third one lie: v.
        pub planes_c: Planes,
        /// Blocks of 32 columns of x.
        pub blocks: u32,
        /// Rows of weight a.
        pub rows: u32,
        /// Rows of weight b, and of c.
        pub other_rows: u32,
        /// The first row of this part of weight a.
        pub first_row: u32,
        /// From one token's results to the next.
        pub stride: u32,
        /// Where the norm begins in `vectors`, in vec4.
        pub norm_at: u32,
        /// What is added to the mean square.
        pub eps: f32,
        /// Where the bias of weight a begins in `vectors`, in vec4; or none.
        pub bias_a: u32,
        /// Where that of weight b begins.
        pub bias_b: u32,
        /// Where that of weight c begins.
        pub bias_c: u32,
        /// Elements of a head.
        pub head_dim: u32,
        /// How many of them are rotated.
        pub rotated: u32,
        /// Positions of the layer's cache.
        pub room: u32,
        /// Workgroups along x of the grid.
        pub groups: u32,
        /// Groups of four rows.
        pub count: u32,
    }
}

impl Op {
    /// Lays `count` groups of rows out along x, and along y where x has no place for all.
    pub fn with_groups(self, count: usize) -> Self {
        let groups = count.div_ceil(count.div_ceil(MAX_GROUPS));
        Self {
            groups: groups as u32,
            count: count as u32,
            ..self
        }
    }
}

impl Matvec {
    /// The first weight is `A`, the second `B`, the third `C`.
    fn layouts(&self) -> &[Layout] {
        match &self.role {
            Role::Qkv { layouts, .. } => layouts,
            Role::GateUp { layouts, .. } => layouts,
            Role::Store { layout, .. } | Role::Add { layout, .. } | Role::LmHead { layout, .. } => {
                std::slice::from_ref(layout)
            }
        }
    }
}

impl Kernel for Matvec {
    const SHADER: Shader = shader!("matmul/matvec");
    type Op = Op;

    fn defines(&self) -> Defines {
        let layouts = self.layouts();
        let int8_dot = self.int8_dot && layouts.iter().all(Layout::has_bytes);
        let mut defines = Defines::default()
            .value("LANES", wgsl_u32(LANES))
            .flag("INT8_DOT", int8_dot)
            .flag("NORM", self.role.is_normed())
            .flag("BIAS", self.role.is_biased())
            .flag("GATE_UP", matches!(self.role, Role::GateUp { .. }))
            .flag("ADD", matches!(self.role, Role::Add { .. }))
            .flag("LM_HEAD", matches!(self.role, Role::LmHead { .. }));
        for (name, layout) in ["A", "B", "C"].into_iter().zip(layouts) {
            defines = defines.value(name, layout.name);
        }
        if let Role::GateUp {
            activation: Activation::Gelu,
            ..
        } = self.role
        {
            defines = defines.flag("GELU", true);
        }
        if let Role::Qkv {
            pairs, cache_type, ..
        } = self.role
        {
            defines = defines
                .flag("QKV", true)
                .flag("HALVES", pairs == RopePairs::Halves)
                .flag("KV_Q8_0", cache_type == CacheType::Q8_0);
        }
        defines
    }

    fn bindings(&self) -> Vec<Binding> {
        let mut bindings = vec![
            Binding::read(1, "weight_a"),
            Binding::read(2, "x"),
            Binding::read_write(3, "out"),
        ];
        if self.role.is_normed() || self.role.is_biased() {
            bindings.push(Binding::read(4, "vectors"));
        }
        if self.layouts().len() > 1 {
            bindings.push(Binding::read(5, "weight_b"));
        }
        if let Role::Qkv { cache_type, .. } = self.role {
            bindings.extend([
                Binding::read(6, "weight_c"),
                Binding::read(7, "rope_table"),
                Binding::read_write(8, qkv_rope::kv_target(cache_type)),
            ]);
        }
        bindings
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        let tokens = if matches!(self.role, Role::LmHead { .. }) {
            1
        } else {
            params.tokens
        };
        [op.groups, op.count.div_ceil(op.groups), tokens]
    }

    fn variants() -> Vec<Self> {
        let layouts = layouts();
        let mut roles = Vec::new();
        for (i, &a) in layouts.iter().enumerate() {
            for is_biased in [false, true] {
                let layout = a;
                roles.extend([
                    Role::Store { layout, is_biased },
                    Role::Add { layout, is_biased },
                    Role::LmHead { layout, is_biased },
                ]);
            }
            // A bias has nothing to do with which formats meet, nor has the activation.
            for (activation, is_biased) in [
                (Activation::Silu, true),
                (Activation::Gelu, false),
                (Activation::Gelu, true),
            ] {
                roles.push(Role::GateUp {
                    activation,
                    layouts: [a; 2],
                    is_biased,
                });
            }
            for pairs in [RopePairs::Adjacent, RopePairs::Halves] {
                // How keys and values are kept has nothing to do with which formats meet.
                let cache_type = CacheType::Q8_0;
                roles.push(Role::Qkv {
                    layouts: [a; 3],
                    pairs,
                    cache_type,
                });
            }
            for (j, &b) in layouts.iter().enumerate() {
                roles.push(Role::GateUp {
                    activation: Activation::Silu,
                    layouts: [a, b],
                    is_biased: false,
                });
                // Every two of the three formats meet: the three share no name, so that a third
                // one does not matter to them.
                let c = layouts[(i + j) % layouts.len()];
                for pairs in [RopePairs::Adjacent, RopePairs::Halves] {
                    let cache_type = CacheType::F16;
                    roles.push(Role::Qkv {
                        layouts: [a, b, c],
                        pairs,
                        cache_type,
                    });
                }
            }
        }
        let both = |role| [false, true].map(|int8_dot| Self { role, int8_dot });
        roles.into_iter().flat_map(both).collect()
    }
}
