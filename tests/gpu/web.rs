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

use device::{device_key, gpu};
use parity::CHECKS;
use siskin::backend::gpu::device::GpuOptions;
use wasm_bindgen::prelude::*;

/// Returns the options of a device that a check runs on.
fn options(check: usize, device: usize) -> GpuOptions {
    (CHECKS[check].options)()[device]
}

/// Returns the names of the checks, one a line, each followed by the number of each of its devices.
/// What was compiled for a device serves all checks of that number.
#[wasm_bindgen]
pub fn checks() -> String {
    std::panic::set_hook(Box::new(|panic| {
        wasm_bindgen::throw_str(&panic.to_string())
    }));
    let mut keys = Vec::new();
    let mut number = |options| {
        let key = device_key(options);
        let found = keys.iter().position(|known| *known == key);
        found.unwrap_or_else(|| {
            keys.push(key);
            keys.len() - 1
        })
    };
    let mut lines = String::new();
    for check in CHECKS {
        lines.push_str(check.name);
        for options in (check.options)() {
            lines.push_str(&format!(" {}", number(options)));
        }
        lines.push('\n');
    }
    lines
}

/// Describes a device, and says why it is not to be had here if it is not.
#[wasm_bindgen]
pub async fn describe(check: usize, device: usize) -> String {
    let options = options(check, device);
    let gpu = gpu(options).await.expect("a device");
    let device = gpu.device();
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
