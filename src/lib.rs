//! Siskin runs small language models inside a browser tab.
//!
//! A module uses only what stands to its left in this line (`tests/architecture.rs` holds it so):
//!
//! `error, host, quant, format -> tensor -> backend -> model -> generate -> loader, session -> web`
//!
//! `text` (tokenizer and chat template) stands beside `model` and knows no tensors, and so does
//! `grammar` (the forms of answers), which uses it.

#![warn(missing_docs, unreachable_pub)]

pub mod backend;
pub mod error;
pub mod format;
pub mod generate;
pub mod grammar;
mod host;
pub mod loader;
pub mod model;
pub mod quant;
pub mod session;
pub mod tensor;
pub mod text;
#[cfg(target_arch = "wasm32")]
pub mod web;

pub use error::{Code, Error, Result};
