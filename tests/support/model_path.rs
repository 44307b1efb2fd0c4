//! Finds model files.

use std::path::PathBuf;

/// Returns the path of the model file called `name`, in the folder that SISKIN_MODELS names or else
/// in Siskin's cache.
///
/// Prints SKIPPED and returns `None` where the file is missing; the test should then return. Where
/// models are required (in CI, or with SISKIN_REQUIRE_MODELS=1), the test fails instead.
pub fn model_path(name: &str) -> Option<PathBuf> {
    let path = models_dir().join(name);
    if path.is_file() {
        return Some(path);
    }
    let is_set = |name: &str| {
        std::env::var_os(name)
            .is_some_and(|value| !value.is_empty() && value != "0" && value != "false")
    };
    assert!(
        !is_set("CI") && !is_set("SISKIN_REQUIRE_MODELS"),
        "{} is missing; ./build.sh test fetches it",
        path.display()
    );
    println!(
        "SKIPPED: {} is missing; ./build.sh test fetches it",
        path.display()
    );
    None
}

fn models_dir() -> PathBuf {
    let folder = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    folder("SISKIN_MODELS")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("siskin/models")))
        .or_else(|| Some(folder("HOME")?.join(".cache/siskin/models")))
        .unwrap_or_default()
}
