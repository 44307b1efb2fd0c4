//! Runs the engine's own tests in a browser: the native tests, on this build's kernels, and those
//! of the class that JavaScript sees.
#![cfg(target_arch = "wasm32")]

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

mod engine;
#[path = "../kernels/main.rs"]
mod kernels;
#[path = "../loader.rs"]
mod loader;
#[path = "../model_config.rs"]
mod model_config;
#[path = "../quant.rs"]
mod quant;
#[path = "../request.rs"]
mod request;
#[path = "../session.rs"]
mod session;
mod sizes;
#[path = "../support/mod.rs"]
mod support;
#[path = "../template.rs"]
mod template;
#[path = "../tiny.rs"]
mod tiny;
