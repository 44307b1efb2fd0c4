//! Compares the CPU's kernels with plain arithmetic in f64. `tests/web/main.rs` runs the same tests
//! in a browser.

mod attention;
mod delta_net;
#[cfg(not(target_arch = "wasm32"))]
mod pool;
mod products;
mod short_conv;
mod steps;
#[path = "../support/mod.rs"]
mod support;
mod vector_operations;
