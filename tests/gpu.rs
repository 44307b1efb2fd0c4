//! The GPU backend on whatever adapter is here, a software one (lavapipe) included.

#[path = "gpu/attention.rs"]
mod attention;
#[path = "gpu/counters.rs"]
mod counters;
#[expect(dead_code, reason = "one part of it is used here")]
#[path = "kernels/data.rs"]
mod data;
#[path = "gpu/device.rs"]
mod device;
#[path = "common/golden.rs"]
mod golden;
#[path = "gpu/harness.rs"]
mod harness;
#[path = "common/model_path.rs"]
mod model_path;
#[path = "gpu/products.rs"]
mod products;
#[path = "common/random.rs"]
mod random;
#[path = "gpu/sampling.rs"]
mod sampling;
#[path = "gpu/seams.rs"]
mod seams;
#[path = "gpu/shaders.rs"]
mod shaders;
#[path = "common/tiny.rs"]
mod tiny;

use device::{gpu, tiers};
use tiny::{LLAMA3, QWEN2, check};

#[test]
fn tiny_models_in_every_tier() {
    for options in tiers() {
        let Some(backend) = gpu(options) else { return };
        check(backend, QWEN2, 1e-3);
        let Some(backend) = gpu(options) else { return };
        check(backend, LLAMA3, 1e-3);
    }
}
