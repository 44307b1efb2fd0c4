//! Tests the GPU backend on whatever adapter is here, a software one (lavapipe) included.

mod architectures;
mod argmax;
mod attention;
mod counters;
mod delta_net;
mod device;
mod drafts;
mod harness;
mod introspection;
mod limits;
mod matmul;
mod models;
mod parity;
mod sampling;
mod shaders;
mod side_by_side;
mod slots;
#[path = "../support/mod.rs"]
mod support;
mod tiers;
mod time;
