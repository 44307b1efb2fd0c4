//! Shaders: how their text is put together, what they bind, and their compiled pipelines.

pub mod binding;
pub mod pipeline;
pub mod preprocess;

pub(crate) use self::{binding::uniform, preprocess::shader};
pub use self::{
    binding::{Access, Binding, Field, Uniform},
    pipeline::{Pipeline, Pipelines, Variant},
    preprocess::{Defines, LIBRARY, Shader, resolve},
};
