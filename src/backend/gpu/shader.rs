//! The WGSL files and how a shader is put together from them.
//!
//! - `#import shared/step` takes a file in, once. `#import quant/$A as a` takes it in under names of its own: every word that ends
//!   in `_W` ends in `_a` there, so that one shader can hold several weights of different formats.
//! - `#ifdef NAME`, `#ifndef NAME`, `#else`, `#endif`
//! - `#enable f16` becomes WGSL's `enable`, `#enable subgroups` only in browsers: naga knows subgroups without it, and not the line.
//! - `$NAME` is replaced by the define's value.

use std::{collections::BTreeMap, fmt::Write};

/// What a shader is specialized by.
pub type Defines = BTreeMap<&'static str, String>;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Every file of `shaders/`, by its path without the ending.
        pub const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../shaders/", $name, ".wgsl")))),*];
    };
}

files![
    "adjust",
    "append",
    "attend",
    "attend_many",
    "choose",
    "combine",
    "embed",
    "gather",
    "logprobs",
    "matmul",
    "matvec",
    "norm",
    "quant/f16",
    "quant/f32",
    "quant/q4_0",
    "quant/q4_1",
    "quant/q4_k",
    "quant/q5_0",
    "quant/q5_1",
    "quant/q5_k",
    "quant/q6_k",
    "quant/q8_0",
    "rank",
    "rotate",
    "shared/bytes",
    "shared/cache",
    "shared/dot",
    "shared/eight",
    "shared/fifth_bits",
    "shared/halves",
    "shared/input",
    "shared/levels",
    "shared/matvec",
    "shared/nibbles",
    "shared/pairs",
    "shared/planes",
    "shared/product",
    "shared/ranks",
    "shared/rotary",
    "shared/slices",
    "shared/step",
    "shared/supers",
    "shared/unpack",
    "shared/words",
];

/// Puts together the shader `name`. Errors, with the file and what is wrong: an unknown file or define, a condition that is not closed.
pub fn resolve(name: &str, defines: &Defines) -> Result<String, String> {
    let mut resolver = Resolver {
        defines,
        taken: Vec::new(),
        enables: String::new(),
        text: String::new(),
    };
    resolver.take(name, None)?;
    Ok(resolver.enables + &resolver.text)
}

struct Resolver<'a> {
    defines: &'a Defines,
    taken: Vec<(String, Option<String>)>,
    enables: String,
    text: String,
}

impl Resolver<'_> {
    fn take(&mut self, name: &str, suffix: Option<&str>) -> Result<(), String> {
        let key = (name.to_owned(), suffix.map(str::to_owned));
        if self.taken.contains(&key) {
            return Ok(());
        }
        self.taken.push(key);
        let (_, file) = FILES
            .iter()
            .find(|(file, _)| *file == name)
            .ok_or_else(|| format!("there is no shader file `{name}`"))?;
        // Whether each open condition holds.
        let mut open: Vec<bool> = Vec::new();
        for (number, line) in (1..).zip(file.lines()) {
            let fail = |what: &str| format!("shaders/{name}.wgsl:{number}: {what}");
            let active = open.iter().all(|&holds| holds);
            let mut words = line.split_whitespace();
            let (directive, argument) = (
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            );
            match directive {
                "#ifdef" => open.push(self.defines.contains_key(argument)),
                "#ifndef" => open.push(!self.defines.contains_key(argument)),
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
                    // A file that is imported under a name imports its own helpers under the same.
                    self.take(
                        &path,
                        inner.map(|inner| {
                            if inner == "W" {
                                suffix.unwrap_or(inner)
                            } else {
                                inner
                            }
                        }),
                    )?;
                }
                "#enable" => {
                    if argument != "subgroups" || self.defines.contains_key("ENABLE") {
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
