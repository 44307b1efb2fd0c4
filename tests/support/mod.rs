//! Holds what tests share. Each test compiles the whole module and uses a part of it.
#![allow(dead_code, reason = "each test uses a part of it")]

pub mod adapted;
pub mod alphabet;
pub mod chat;
pub mod chat_model;
pub mod data;
pub mod delta_rule;
pub mod golden;
pub mod llama_cpp;
pub mod loading;
pub mod model_file;
pub mod model_header;
pub mod model_path;
pub mod odd_formats;
pub mod random;
pub mod schema;
pub mod scripted;
pub mod sentence;
pub mod tiny;
#[cfg(not(target_arch = "wasm32"))]
pub mod vocabulary;
