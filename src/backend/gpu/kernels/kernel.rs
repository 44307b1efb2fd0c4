//! What a kernel is.

use super::params::StepParams;
use crate::{
    backend::gpu::{
        shader::{Binding, Defines, Field, Shader, Uniform, Variant},
        weights::repack::Layout,
    },
    quant::DType,
};

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

/// Returns the description of every variant of a kernel.
pub(super) fn describe<K: Kernel>() -> Vec<Description> {
    let describe = |kernel: &K| Description {
        variant: variant(kernel),
        op: K::Op::FIELDS,
        op_bytes: size_of::<K::Op>(),
    };
    K::variants().iter().map(describe).collect()
}

/// Returns how every format that shaders read lies in a buffer.
pub(super) fn layouts() -> Vec<Layout> {
    let mut layouts = Vec::new();
    for &dtype in DType::ALL {
        let layout = Layout::of(dtype);
        if !layouts.contains(&layout) {
            layouts.push(layout);
        }
    }
    layouts
}

/// Writes a number as WGSL's `u32`.
pub(super) fn wgsl_u32(value: usize) -> String {
    format!("{value}u")
}
