//! Every shader that a model can ask for is valid WGSL, in every tier.

use naga::{
    front::wgsl,
    valid::{Capabilities, ValidationFlags, Validator},
};
use siskin::backend::gpu::{
    device::ShaderFeatures,
    permutations::every_key,
    pipeline::Key,
    shader::{Defines, FILES, resolve},
};
use std::{collections::BTreeSet, fs, path::Path, thread};

fn tiers() -> impl Iterator<Item = ShaderFeatures> {
    (0..8).map(|bits| {
        let [subgroups, packed, enable] = std::array::from_fn(|bit| bits >> bit & 1 != 0);
        // What needs 16-bit arithmetic is asked for by itself.
        ShaderFeatures {
            subgroups,
            packed,
            enable,
            f16: true,
        }
    })
}

fn check(source: &str) {
    let module = wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}\n{source}", error.emit_to_string(source)));
    // Halves in words of 32 bits need no extension of WGSL.
    let mut needed = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    needed.set(Capabilities::SUBGROUP, source.contains("subgroupAdd"));
    needed.set(Capabilities::SHADER_FLOAT16, source.contains("enable f16;"));
    let mut validator = Validator::new(ValidationFlags::all(), needed);
    validator
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}\n{source}", error.emit_to_string(source)));
}

#[test]
fn every_permutation_is_valid() {
    let keys = every_key();
    assert!(keys.len() > 600);
    let mut sources = BTreeSet::new();
    for tier in tiers() {
        for key in &keys {
            let source = key
                .source(tier)
                .unwrap_or_else(|what| panic!("{key:?}: {what}"));
            assert!(
                tier.enable || !source.contains("enable subgroups"),
                "{source}"
            );
            // Tuning asks for these only where there is 16-bit arithmetic.
            assert!(
                source.contains("f16>") == format!("{key:?}").contains("HALF_TILES"),
                "{source}"
            );
            assert!(
                tier.subgroups || !source.contains("subgroupAdd"),
                "{source}"
            );
            assert!(tier.packed || !source.contains("unpack4xI8"), "{source}");
            // Tuning asks for these only where there are packed functions.
            assert!(
                source.contains("dot4I8Packed") == format!("{key:?}").contains("DOTS"),
                "{source}"
            );
            // naga does not know the very line that browsers want.
            sources.insert(source.replace("enable subgroups;\n", ""));
        }
    }
    println!("{} texts", sources.len());
    let sources: Vec<String> = sources.into_iter().collect();
    thread::scope(|scope| {
        for half in sources.chunks(sources.len().div_ceil(2)) {
            scope.spawn(move || half.iter().for_each(|source| check(source)));
        }
    });
}

#[test]
fn every_file_is_known() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files: Vec<String> = Vec::new();
    for part in ["", "quant", "shared"] {
        for entry in fs::read_dir(folder.join(part)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let path = path
                    .strip_prefix(&folder)
                    .expect("below shaders")
                    .with_extension("");
                files.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    files.sort();
    assert_eq!(
        files,
        FILES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect::<Vec<_>>(),
        "in order, and none left out"
    );
}

#[test]
fn what_is_wrong_in_a_shader_is_told() {
    let error = resolve("matmul", &Defines::new()).expect_err("A is not defined");
    assert!(
        error.starts_with("shaders/matmul.wgsl:") && error.ends_with("`A` is not defined"),
        "{error}"
    );
    assert_eq!(
        resolve("nowhere", &Defines::new()),
        Err("there is no shader file `nowhere`".to_owned())
    );
    assert!(
        Key::new("norm")
            .source(ShaderFeatures::default())
            .expect("a shader")
            .contains("fn main(")
    );
}

/// WGSL begins it at zero in every turn, but in Chromium on Vulkan it keeps what the turn before left.
#[test]
fn no_variable_in_a_loop_lacks_a_first_value() {
    for (name, text) in FILES {
        for line in text
            .lines()
            .filter(|line| line.starts_with("    ") && line.trim_start().starts_with("var "))
        {
            assert!(line.contains('='), "shaders/{name}.wgsl: {line}");
        }
    }
}
