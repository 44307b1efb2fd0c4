//! Tests the GPU backend on whatever adapter is here, a software one (lavapipe) included.

mod attention;
mod counters;
mod device;
mod harness;
mod models;
mod parity;
mod products;
mod sampling;
mod seams;
mod shaders;
#[path = "../support/mod.rs"]
mod support;
