//! Copies the shaders without their comments, which would be downloaded with the wasm. Lines stay
//! lines, so that errors name those of the files.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("there is no OUT_DIR"))?;
    copy(Path::new("shaders"), &PathBuf::from(out).join("shaders"))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::write(to.join(name), without_comments(&fs::read_to_string(path)?))?;
        }
    }
    Ok(())
}

/// WGSL has no strings, and the files no block comments.
fn without_comments(text: &str) -> String {
    let code = |line: &str| {
        line.split("//")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    text.lines().map(|line| code(line) + "\n").collect()
}
