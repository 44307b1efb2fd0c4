//! The graphics card, through WebGPU: one compute pass and one submit a step.
//!
//! `kernels` knows the shaders, `operations` says which of them make up each method of the trait
//! [`super::Backend`], and `record` records them. Reasons are in docs/design/gpu.md.

mod activations;
mod adapters;
mod autotune;
mod backend;
mod bandwidth;
mod cache;
mod context;
pub mod device;
pub mod kernels;
mod operations;
mod profile;
mod record;
mod recording;
mod sampler;
pub mod shader;
mod step_memory;
pub(crate) mod stopwatch;
mod tap;
mod upload;
pub mod weights;

pub use self::{
    activations::Activations,
    cache::Cache,
    context::{Counters, Gpu},
    profile::Timing,
};
