//! The GPU backend on whatever adapter is here, a software one (lavapipe) included.

mod common {
    pub mod golden;
    pub mod tiny;
}
#[path = "gpu/device.rs"]
mod device;

use common::tiny::{LLAMA3, QWEN2, check};
use device::{gpu, tiers};

#[test]
fn tiny_models_in_every_tier() {
    for options in tiers() {
        let Some(backend) = gpu(options) else { return };
        let bar = if backend.device().tier.f16 { 1e-2 } else { 1e-3 };
        check(backend, QWEN2, bar);
        let Some(backend) = gpu(options) else { return };
        check(backend, LLAMA3, bar);
    }
}
