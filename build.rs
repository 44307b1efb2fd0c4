//! Copies the shaders without their comments and indentation, which would be downloaded with the
//! wasm. Lines stay lines, so that errors name those of the files. And packs Unicode's categories.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("there is no OUT_DIR"))?;
    let out = PathBuf::from(out);
    fs::write(out.join("categories"), categories())?;
    copy(Path::new("shaders"), &out.join("shaders"))
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
            .trim()
            .to_owned()
    };
    text.lines().map(|line| code(line) + "\n").collect()
}

/// Returns the runs of characters of one category, as src/text/category.rs reads them.
fn categories() -> Vec<u8> {
    let of =
        |code| char::from_u32(code).map_or(GeneralCategory::Surrogate, |c| c.general_category());
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at <= u32::from(char::MAX) {
        let category = of(at);
        let mut length = 1;
        while at + length <= u32::from(char::MAX) && of(at + length) == category {
            length += 1;
        }
        at += length;
        match length {
            1..8 => bytes.push(category as u8 | (length as u8) << 5),
            _ => {
                bytes.push(category as u8);
                while length >= 0x80 {
                    bytes.push(length as u8 | 0x80);
                    length >>= 7;
                }
                bytes.push(length as u8);
            }
        }
    }
    bytes
}
