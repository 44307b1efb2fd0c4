//! The CPU: plain Rust, with SIMD kernels for the matrix products.

pub struct Cpu;
impl super::Backend for Cpu {}
