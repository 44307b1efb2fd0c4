//! How a shader's text is put together from the files of `shaders/`.
//!
//! - `#import lib/params` takes a file in, once. `#import quant/$A as a` takes it in under names of
//!   its own: every word that ends in `_W` ends in `_a` there, so that one shader can hold several
//!   weights of different formats.
//! - `#ifdef NAME`, `#ifndef NAME`, `#else`, `#endif` keep or drop lines.
//! - `#enable f16` becomes WGSL's `enable`. `#enable subgroups` does so only in browsers: naga knows
//!   subgroups without the directive, and does not know the directive.
//! - `$NAME` is replaced by the define's value.

use std::{collections::BTreeMap, fmt::Write};

/// What a shader's text is specialized by: flags have an empty value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Defines(BTreeMap<&'static str, String>);

impl Defines {
    /// Adds a define that has a value.
    pub fn value(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.insert(name, value.to_string());
        self
    }

    /// Adds a flag if `holds`.
    pub fn flag(mut self, name: &'static str, holds: bool) -> Self {
        if holds {
            self.0.insert(name, String::new());
        }
        self
    }

    /// Returns whether the name is defined.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Writes " NAME=value" for each, as labels have them.
impl std::fmt::Display for Defines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|(name, value)| match value.as_str() {
                "" => write!(f, " {name}"),
                value => write!(f, " {name}={value}"),
            })
    }
}

/// A WGSL file of `shaders/`.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    /// The path below `shaders/` without its ending: "ops/embed".
    pub name: &'static str,
    /// The text, with its directives and without comments (build.rs).
    pub text: &'static str,
}

/// Names a WGSL file by its path below `shaders/`, without the ending.
macro_rules! shader {
    ($name:literal) => {
        $crate::backend::gpu::shader::Shader {
            name: $name,
            text: include_str!(concat!(env!("OUT_DIR"), "/shaders/", $name, ".wgsl")),
        }
    };
}
pub(crate) use shader;

macro_rules! library {
    ($($name:literal),* $(,)?) => {
        /// The files that shaders import. A kernel's own file is named by the kernel.
        pub const LIBRARY: &[Shader] = &[$(shader!($name)),*];
    };
}

library![
    "lib/activation",
    "lib/argmax",
    "lib/bias",
    "lib/bounded",
    "lib/bytes",
    "lib/codebook",
    "lib/crumbs",
    "lib/dot",
    "lib/eight",
    "lib/f16_pair",
    "lib/fifth_bits",
    "lib/halves",
    "lib/input",
    "lib/kv_cache",
    "lib/largest",
    "lib/matvec_io",
    "lib/nibbles",
    "lib/pairs",
    "lib/params",
    "lib/planes",
    "lib/quants",
    "lib/rope",
    "lib/signed_scales",
    "lib/slices",
    "lib/sum",
    "lib/super_scales",
    "lib/tile_io",
    "lib/tile_rows",
    "lib/two_a_word",
    "lib/unpack",
    "lib/words",
    "quant/bf16",
    "quant/codebook",
    "quant/codebook_k",
    "quant/f16",
    "quant/f32",
    "quant/q2_k",
    "quant/q3_k",
    "quant/q4_0",
    "quant/q4_1",
    "quant/q4_k",
    "quant/q5_0",
    "quant/q5_1",
    "quant/q5_k",
    "quant/q6_k",
    "quant/q8_0",
];

/// Returns the whole text of a shader.
///
/// # Errors
/// The file and what is wrong with it: an unknown file or define, a condition that is not closed.
pub fn resolve(shader: Shader, defines: &Defines) -> Result<String, String> {
    let mut resolver = Resolver {
        defines,
        taken: Vec::new(),
        enables: String::new(),
        text: String::new(),
    };
    resolver.take(shader, None)?;
    Ok(resolver.enables + &resolver.text)
}

struct Resolver<'a> {
    defines: &'a Defines,
    taken: Vec<(&'static str, Option<String>)>,
    enables: String,
    text: String,
}

impl Resolver<'_> {
    fn take(&mut self, shader: Shader, suffix: Option<&str>) -> Result<(), String> {
        let Shader { name, text } = shader;
        let key = (name, suffix.map(str::to_owned));
        if self.taken.contains(&key) {
            return Ok(());
        }
        self.taken.push(key);
        // Whether each open condition holds.
        let mut open: Vec<bool> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let fail = |what: &str| format!("shaders/{name}.wgsl:{number}: {what}");
            let active = open.iter().all(|&holds| holds);
            let mut words = line.split_whitespace();
            let (directive, argument) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            match directive {
                "#ifdef" => open.push(self.defines.has(argument)),
                "#ifndef" => open.push(!self.defines.has(argument)),
                "#else" => {
                    let last = open
                        .last_mut()
                        .ok_or_else(|| fail("#else without a condition"))?;
                    *last = !*last;
                }
                "#endif" => {
                    open.pop()
                        .ok_or_else(|| fail("#endif without a condition"))?;
                }
                _ if !active => {}
                "#import" => {
                    let path = self.substitute(argument).map_err(|what| fail(&what))?;
                    let inner = if words.next() == Some("as") {
                        words.next()
                    } else {
                        None
                    };
                    let file = LIBRARY
                        .iter()
                        .find(|file| file.name == path)
                        .ok_or_else(|| fail(&format!("there is no shader file `{path}`")))?;
                    // A file that is imported under a suffix imports its own helpers under it too.
                    self.take(*file, if inner == Some("W") { suffix } else { inner })?;
                }
                "#enable" => {
                    if argument != "subgroups" || self.defines.has("ENABLE") {
                        let _ = writeln!(self.enables, "enable {argument};");
                    }
                }
                _ if directive.starts_with('#') => return Err(fail("an unknown directive")),
                _ => {
                    let line = self.substitute(line).map_err(|what| fail(&what))?;
                    self.text.push_str(
                        &suffix.map_or_else(|| line.clone(), |suffix| rename(&line, suffix)),
                    );
                    self.text.push('\n');
                }
            }
        }
        if open.is_empty() {
            Ok(())
        } else {
            Err(format!("shaders/{name}.wgsl: a condition is not closed"))
        }
    }

    fn substitute(&self, line: &str) -> Result<String, String> {
        let mut parts = line.split('$');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            text += self
                .defines
                .0
                .get(name)
                .ok_or_else(|| format!("`{name}` is not defined"))?;
            text += rest;
        }
        Ok(text)
    }
}

/// Gives the words that end in `_W` the ending `_suffix`.
fn rename(line: &str, suffix: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("_W") {
        let (head, tail) = rest.split_at(at);
        text += head;
        rest = &tail[2..];
        let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        text += if ends { "_" } else { "_W" };
        if ends {
            text += suffix;
        }
    }
    text + rest
}
