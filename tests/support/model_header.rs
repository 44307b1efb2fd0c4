//! Reads the header of a model file.

use super::model_path::model_path;
use siskin::format::gguf::{Gguf, GgufReader};
use std::fs::File;
use std::io::Read;

/// Returns the header of a model file, whose tensors are not read. Returns `None` where
/// [`model_path`] does.
pub fn model_header(name: &str) -> Option<Gguf> {
    let mut file = File::open(model_path(name)?).expect("a readable model");
    let mut reader = GgufReader::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut chunk).expect("a readable model");
        assert!(length > 0, "{name} ends within its header");
        if let Some(gguf) = reader.push(&chunk[..length]).expect("a valid header") {
            return Some(gguf);
        }
    }
}
