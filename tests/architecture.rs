//! How the source is laid out: who may use whom, and how long a file may be.

use siskin::quant::DType;
use std::fs;
use std::path::Path;

/// A module may use itself and those before it.
const ORDER: &[&str] = &[
    "error", "host", "quant", "format", "tensor", "backend", "model", "text", "generate", "loader",
    "session", "web",
];
/// Beside the decoder, not upon it: all that text may use.
const TEXT_USES: &[&str] = &["error", "format", "text"];
/// Neither does the decoder know of text.
const NO_TEXT: &[&str] = &["error", "quant", "format", "tensor", "backend", "model"];
/// The only modules that know which backends there are. The rest is written for any.
const KNOW_THE_BACKENDS: &[&str] = &["backend", "session"];
/// Modules that read what comes from outside.
const READ_INPUT: &[&str] = &["format", "loader", "web", "text"];
const MAX_LINES: usize = 400;

struct Source {
    /// From `src`: "text/template.rs".
    path: String,
    text: String,
}

impl Source {
    /// "text"
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// The file without comments and without its unit tests.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        code.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Every path below `crate`, braces spread out: "backend::cpu::Cpu".
    fn uses(&self) -> Vec<String> {
        let code = self.code();
        let mut uses = Vec::new();
        for (at, word) in code.match_indices("crate::") {
            spread(&code[at + word.len()..], "", &mut uses);
        }
        uses
    }
}

/// Spreads `a::{b, c::{d}}` at the beginning of `text` to `a::b`, `a::c::d`; gives what follows.
fn spread<'a>(text: &'a str, before: &str, uses: &mut Vec<String>) -> &'a str {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(text.len());
    let (path, mut rest) = text.split_at(end);
    let path = format!("{before}{path}");
    if !rest.starts_with('{') {
        uses.push(path);
        return rest;
    }
    loop {
        rest = rest[1..].trim_start();
        if !rest.starts_with('}') {
            rest = spread(rest, &path, uses).trim_start();
        }
        if !rest.starts_with(',') {
            return rest.strip_prefix('}').unwrap_or(rest);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                let path = path
                    .strip_prefix(&root)
                    .expect("below src")
                    .to_string_lossy()
                    .replace('\\', "/");
                sources.push(Source { path, text });
            }
        }
    }
    assert!(sources.len() > 30, "the sources are found");
    sources
}

/// The library's files but for `lib.rs`, which only names the modules.
fn library() -> Vec<Source> {
    sources()
        .into_iter()
        .filter(|source| !matches!(source.module(), "lib" | "bin"))
        .collect()
}

#[test]
fn braces_spread_out() {
    let mut uses = Vec::new();
    assert_eq!(spread("a::{b, c::{d, E}, f,};", "", &mut uses), ";");
    assert_eq!(uses, ["a::b", "a::c::d", "a::c::E", "a::f"]);
}

#[test]
fn modules_use_what_stands_to_their_left() {
    let mut seen = 0;
    for source in library() {
        let module = source.module();
        let rank = ORDER.iter().position(|name| *name == module);
        let rank = rank
            .unwrap_or_else(|| panic!("{}: a module that has no place in the order", source.path));
        for path in source.uses() {
            // `crate::{Code, Error, Result}` are error's.
            let used = path
                .split("::")
                .next()
                .filter(|name| name.starts_with(char::is_lowercase))
                .unwrap_or("error");
            let known = ORDER.iter().position(|name| *name == used);
            assert!(
                known.is_some_and(|known| known <= rank),
                "{} uses crate::{path}",
                source.path
            );
            assert!(
                module != "text" || TEXT_USES.contains(&used),
                "{} uses crate::{path}",
                source.path
            );
            assert!(
                used != "text" || !NO_TEXT.contains(&module),
                "{} uses crate::{path}",
                source.path
            );
            seen += 1;
        }
        let is_top = matches!(source.path.matches('/').count(), 0)
            || source.path == format!("{module}/mod.rs");
        assert!(
            !is_top || !source.code().contains("super::"),
            "{}: a path out of its module goes by crate::",
            source.path
        );
        assert!(
            !source.code().contains("super::super"),
            "{}: a path out of its module goes by crate::",
            source.path
        );
    }
    assert!(seen > 100, "{seen} paths are too few to have been read");
}

#[test]
fn only_the_session_picks_a_backend() {
    let mut pickers = Vec::new();
    for source in library() {
        let names = |backend: &str| {
            source
                .uses()
                .iter()
                .any(|path| path.starts_with(&format!("backend::{backend}")))
        };
        if ["cpu", "gpu"].into_iter().any(names) || source.code().contains("cpu::") {
            assert!(
                KNOW_THE_BACKENDS.contains(&source.module()),
                "{} names a backend",
                source.path
            );
            pickers.push(source.module().to_owned());
        }
    }
    assert!(
        pickers.iter().any(|module| module == "session"),
        "somebody picks one"
    );
}

#[test]
fn files_are_short() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{} has {lines} lines: split it",
            source.path
        );
    }
}

#[test]
fn every_quantized_format_has_its_file() {
    let files: Vec<String> = library()
        .into_iter()
        .filter(|source| source.module() == "quant")
        .map(|source| source.path)
        .collect();
    let mut expected: Vec<String> = DType::ALL
        .iter()
        .map(|dtype| dtype.name().to_lowercase())
        .filter(|name| name.starts_with('q'))
        .collect();
    assert_eq!(expected.len(), 10);
    expected.extend(["floats", "mod"].map(str::to_owned));
    let mut expected: Vec<String> = expected
        .into_iter()
        .map(|name| format!("quant/{name}.rs"))
        .collect();
    let mut files = files;
    files.sort();
    expected.sort();
    assert_eq!(files, expected);
}

#[test]
fn what_comes_from_outside_is_never_unwrapped() {
    for source in library()
        .iter()
        .filter(|source| READ_INPUT.contains(&source.module()))
    {
        for (number, line) in source.code().lines().enumerate() {
            for word in [".unwrap()", ".expect(", "panic!(", "unreachable!("] {
                assert!(
                    !line.contains(word),
                    "{}, about line {}: {}",
                    source.path,
                    number + 1,
                    line.trim()
                );
            }
        }
    }
}
