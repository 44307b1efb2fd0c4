//! The engine's own tests in a browser: what runs natively runs here too, on this build's kernels, and beside it the class that
//! JavaScript sees.
#![cfg(target_arch = "wasm32")]

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

#[path = "common/alphabet.rs"]
mod alphabet;
#[path = "kernels/attention.rs"]
mod attention;
#[path = "common/chat_model.rs"]
mod chat_model;
#[path = "kernels/data.rs"]
mod data;
#[path = "web/engine.rs"]
mod engine;
#[path = "loader.rs"]
mod loader;
#[expect(dead_code, reason = "one part of it is used here")]
#[path = "common/model_file.rs"]
mod model_file;
#[path = "kernels/products.rs"]
mod products;
#[path = "quant.rs"]
mod quant;
#[path = "common/random.rs"]
mod random;
#[path = "session.rs"]
mod session;
#[path = "kernels/steps.rs"]
mod steps;
#[path = "template.rs"]
mod template;
#[path = "tiny.rs"]
mod tiny;
