//! The kernels: one module for each WGSL file of `shaders/`, which is the only place that knows it.
//!
//! A kernel says what specializes its text, which uniform and which buffers it binds, how far its
//! grid reaches, and which of its variants a model can ask for. Tests compare each variant with
//! naga's reflection of its text, and its results with plain arithmetic (`tests/gpu/`).

pub mod attention;
pub mod matmul;
pub mod ops;
mod params;
pub mod sampling;

pub use self::params::StepParams;
use super::{
    shader::{Binding, Defines, Field, Shader, Uniform, Variant},
    weights::repack::Layout,
};
use crate::quant::DType;

/// A kernel in one of its variants.
pub trait Kernel: Copy + 'static {
    /// The WGSL file.
    const SHADER: Shader;
    /// The uniform `op`: what stays the same from step to step.
    type Op: Uniform;

    /// Returns what specializes the text.
    fn defines(&self) -> Defines;
    /// Returns the variables that are bound beside `op`.
    fn bindings(&self) -> Vec<Binding>;
    /// Returns the workgroups of a step along x, y and z.
    fn grid(&self, op: &Self::Op, params: &StepParams) -> [u32; 3];
    /// Returns whether the step needs this kernel at all.
    fn is_needed(&self, _params: &StepParams) -> bool {
        true
    }
    /// Returns every variant that a model can ask for.
    fn variants() -> Vec<Self>;
}

/// Returns what the kernel's pipeline is made of.
pub fn variant<K: Kernel>(kernel: &K) -> Variant {
    let mut bindings = vec![Binding::OP];
    bindings.extend(kernel.bindings());
    Variant {
        shader: K::SHADER,
        defines: kernel.defines(),
        bindings,
    }
}

/// A variant with the members of its uniform, as a test compares them with the WGSL.
#[derive(Clone, Debug)]
pub struct Description {
    /// What the pipeline is made of.
    pub variant: Variant,
    /// The members of `op`.
    pub op: &'static [Field],
    /// The bytes of `op`.
    pub op_bytes: usize,
}

fn describe<K: Kernel>() -> Vec<Description> {
    let describe = |kernel: &K| Description {
        variant: variant(kernel),
        op: K::Op::FIELDS,
        op_bytes: size_of::<K::Op>(),
    };
    K::variants().iter().map(describe).collect()
}

/// Returns every variant of every kernel that a model can ask for.
pub fn every_variant() -> Vec<Description> {
    [
        describe::<attention::decode::Decode>(),
        describe::<attention::prefill::Prefill>(),
        describe::<attention::reduce::Reduce>(),
        describe::<matmul::matvec::Matvec>(),
        describe::<matmul::tile::Tile>(),
        describe::<ops::embed::Embed>(),
        describe::<ops::kv_quantize::KvQuantize>(),
        describe::<ops::qkv_rope::QkvRope>(),
        describe::<ops::rms_norm::RmsNorm>(),
        describe::<sampling::filter_logits::FilterLogits>(),
        describe::<sampling::logprobs::Logprobs>(),
        describe::<sampling::penalties::Penalties>(),
        describe::<sampling::sample::Sample>(),
        describe::<sampling::top_logprobs::TopLogprobs>(),
    ]
    .concat()
}

/// Returns how every format that shaders read lies in a buffer.
fn layouts() -> Vec<Layout> {
    DType::ALL
        .iter()
        .filter_map(|&dtype| Layout::of(dtype))
        .collect()
}

/// Writes a number as WGSL's `u32`.
fn wgsl_u32(value: usize) -> String {
    format!("{value}u")
}
