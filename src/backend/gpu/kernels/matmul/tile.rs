//! A weight times the activations of many tokens.

use crate::backend::{
    Activation,
    gpu::{
        kernels::{
            kernel::{Kernel, layouts, wgsl_u32},
            params::StepParams,
        },
        shader::{Binding, Defines, Shader, shader, uniform},
        weights::{Planes, repack::Layout},
    },
};

/// Rows of a tile, and tokens: half of a workgroup's 64 lanes fetch weights, half activations.
pub(super) const SIDE: usize = 32;

/// What a product does with its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// `out = w x`
    Store,
    /// `out += w x`
    Add,
    /// `out = activation(out) * (w x)`
    Gated(Activation),
}

/// Every one of them.
pub(super) const EPILOGUES: [Epilogue; 4] = [
    Epilogue::Store,
    Epilogue::Add,
    Epilogue::Gated(Activation::Silu),
    Epilogue::Gated(Activation::Gelu),
];

/// `out = w x`, or one of the other [`Epilogue`]s.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// The weight's format.
    pub layout: Layout,
    /// What is done with the results.
    pub epilogue: Epilogue,
    /// Whether a bias is added to the results before that.
    pub is_biased: bool,
    /// Whether weights and activations are rounded to f16. A weight of f32 never is.
    pub f16_tiles: bool,
}

uniform! {
    /// The sizes of a product: `shaders/lib/tile_io.wgsl`.
    pub struct Op {
        /// Where the weight's planes lie.
        pub planes_a: Planes,
        /// Rows of this part of the weight.
        pub rows: u32,
        /// The first of them.
        pub first_row: u32,
        /// From one token's results to the next.
        pub stride: u32,
        /// Where the bias begins in `vectors`, in vec4.
        pub bias_at: u32,
    }
}

/// Returns what specializes the text of any tile.
pub(super) fn defines(layout: Layout, epilogue: Epilogue, is_biased: bool) -> Defines {
    Defines::default()
        .value("A", layout.name)
        .value("SIDE", wgsl_u32(SIDE))
        .flag("ADD", epilogue == Epilogue::Add)
        .flag("GATED", matches!(epilogue, Epilogue::Gated(_)))
        .flag("GELU", epilogue == Epilogue::Gated(Activation::Gelu))
        .flag("BIAS", is_biased)
}

/// Returns the variables that any tile binds beside `op`.
pub(super) fn bindings(is_biased: bool) -> Vec<Binding> {
    let mut bindings = vec![
        Binding::read(1, "weight_a"),
        Binding::read(2, "x"),
        Binding::read_write(3, "out"),
    ];
    if is_biased {
        bindings.push(Binding::read(4, "vectors"));
    }
    bindings
}

impl Kernel for Tile {
    const SHADER: Shader = shader!("matmul/tile");
    type Op = Op;

    fn defines(&self) -> Defines {
        defines(self.layout, self.epilogue, self.is_biased)
            .flag("F16_TILES", self.f16_tiles && self.layout.fits_f16())
    }

    fn bindings(&self) -> Vec<Binding> {
        bindings(self.is_biased)
    }

    fn grid(&self, op: &Op, params: &StepParams) -> [u32; 3] {
        [
            op.rows.div_ceil(SIDE as u32),
            params.tokens.div_ceil(SIDE as u32),
            1,
        ]
    }

    fn variants() -> Vec<Self> {
        let mut variants = Vec::new();
        for layout in layouts() {
            for epilogue in EPILOGUES {
                for (is_biased, f16_tiles) in
                    [(false, false), (false, true), (true, false), (true, true)]
                {
                    variants.push(Self {
                        layout,
                        epilogue,
                        is_biased,
                        f16_tiles,
                    });
                }
            }
        }
        variants
    }
}
