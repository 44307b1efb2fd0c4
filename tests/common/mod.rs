//! What several test files need: where models are, and reading what is before their tensors.

use siskin::format::gguf::{Gguf, GgufReader};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The model file of this name, from the folder that SISKIN_MODELS names, else from Siskin's cache.
///
/// `None` where the file is absent, after printing so; the test should then return. Where models must be there (in CI, or with
/// SISKIN_REQUIRE_MODELS=1) the test fails instead.
pub fn model_path(name: &str) -> Option<PathBuf> {
    let path = models_dir().join(name);
    if path.is_file() {
        return Some(path);
    }
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0" && value != "false");
    assert!(!is_set("CI") && !is_set("SISKIN_REQUIRE_MODELS"), "{} is missing; ./build.sh test fetches it", path.display());
    println!("SKIPPED: {} is missing; ./build.sh test fetches it", path.display());
    None
}

/// The header of a model file; the tensors' data is not read. `None` as for [`model_path`].
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

fn models_dir() -> PathBuf {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("SISKIN_MODELS")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("siskin/models")))
        .or_else(|| Some(folder("HOME")?.join(".cache/siskin/models")))
        .unwrap_or_default()
}
