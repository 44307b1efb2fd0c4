//! A weight times the activations of a few tokens.

use super::tile::{EPILOGUES, Epilogue, Op, SIDE, bindings, defines};
use crate::backend::gpu::{
    kernels::{
        kernel::{Kernel, layouts, wgsl_u32},
        params::StepParams,
    },
    shader::{Binding, Defines, Shader, shader},
    weights::repack::Layout,
};

/// The most tokens: two for each of the four groups of lanes that share rows.
pub const TOKENS: usize = 8;

/// `out = w x` for at most [`TOKENS`] tokens, or one of the other [`Epilogue`]s. All of it is f32:
/// its time is that of reading the weights, and the tokens that it checks are to be those that one
/// by one give.
#[derive(Clone, Copy, Debug)]
pub struct NarrowTile {
    /// The weight's format.
    pub layout: Layout,
    /// What is done with the results.
    pub epilogue: Epilogue,
    /// Whether a bias is added to the results before that.
    pub is_biased: bool,
}

impl Kernel for NarrowTile {
    const SHADER: Shader = shader!("matmul/narrow_tile");
    type Op = Op;

    fn defines(&self) -> Defines {
        defines(self.layout, self.epilogue, self.is_biased).value("TOKENS", wgsl_u32(TOKENS))
    }

    fn bindings(&self) -> Vec<Binding> {
        bindings(self.is_biased)
    }

    /// The tokens are no part of it: every weight is read by one workgroup.
    fn grid(&self, op: &Op, _params: &StepParams) -> [u32; 3] {
        [op.rows.div_ceil(SIDE as u32), 1, 1]
    }

    fn variants() -> Vec<Self> {
        let mut variants = Vec::new();
        for layout in layouts() {
            for epilogue in EPILOGUES {
                for is_biased in [false, true] {
                    variants.push(Self {
                        layout,
                        epilogue,
                        is_biased,
                    });
                }
            }
        }
        variants
    }
}
