//! The wasm-bindgen skin.
