//! The GPU backend on whatever adapter is here, a software one (lavapipe) included.

#[path = "gpu/attention.rs"]
mod attention;
#[path = "gpu/counters.rs"]
mod counters;
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
#[path = "gpu/models.rs"]
mod models;
#[path = "gpu/parity.rs"]
mod parity;
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
