//! Exports the checks of `parity.rs` for JavaScript to run, in the wasm that
//! tests/e2e/gpu_parity.test.mjs opens in browsers.
#![cfg(target_arch = "wasm32")]

mod architectures;
mod argmax;
mod attention;
mod delta_net;
mod device;
mod harness;
mod matmul;
mod models;
mod parity;
mod sampling;
mod side_by_side;
#[path = "../support/mod.rs"]
mod support;

use parity::CHECKS;
use siskin::backend::gpu::device::{Device, GpuOptions};
use wasm_bindgen::prelude::*;

/// Returns the options of a device that a check runs on.
fn options(check: usize, device: usize) -> GpuOptions {
    (CHECKS[check].options)()[device]
}

/// Returns the names of the checks, one a line, each with the number of its devices.
#[wasm_bindgen]
pub fn checks() -> String {
    std::panic::set_hook(Box::new(|panic| {
        wasm_bindgen::throw_str(&panic.to_string())
    }));
    CHECKS
        .iter()
        .map(|check| format!("{} {}\n", check.name, (check.options)().len()))
        .collect()
}

/// Describes a device, and says why it is not to be had here if it is not.
#[wasm_bindgen]
pub async fn describe(check: usize, device: usize) -> String {
    let options = options(check, device);
    let device = Device::open(options).await.expect("a device");
    let (name, features) = (&device.name, device.features.get());
    let strategy = options.strategy.unwrap_or_default();
    let lacks = if strategy.f16_tiles && !features.f16 {
        "SKIPPED: no f16 on "
    } else {
        ""
    };
    format!(
        "{lacks}{name} {features:?}, {strategy:?}, cache {:?}",
        options.cache_type
    )
}

/// Runs a check on a device. Throws where the device is wrong.
#[wasm_bindgen]
pub async fn run(check: usize, device: usize) {
    (CHECKS[check].run)(options(check, device)).await;
}
