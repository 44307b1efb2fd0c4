//! These tests hold the source's layout: which module may use which, that no files use each other
//! in a circle, and how long files and lines may be.

use siskin::quant::DType;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module may use itself and those before it.
const ORDER: &[&str] = &[
    "error", "host", "quant", "format", "tensor", "backend", "model", "text", "grammar",
    "generate", "loader", "session", "web",
];
/// The module `text` may use only these, for it stands beside the decoder and not upon it.
const TEXT_USES: &[&str] = &["error", "host", "format", "text"];
/// These modules do not know `text`: the decoder and what it stands on.
const NO_TEXT: &[&str] = &["error", "quant", "format", "tensor", "backend", "model"];
/// Only these modules know which backends there are; the others are written for any backend.
const KNOW_THE_BACKENDS: &[&str] = &["backend", "session"];
/// These modules read bytes and text from outside.
const READ_INPUT: &[&str] = &["format", "loader", "web", "text"];
/// A longer file has more than one subject: split it.
const MAX_LINES: usize = 400;
/// This is rustfmt's default width, and prettier's as it is set here.
const MAX_COLUMNS: usize = 100;

struct Source {
    /// Holds the path from `src`, such as "text/template.rs".
    path: String,
    text: String,
}

impl Source {
    /// Returns the top module that the file belongs to, such as "text".
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// Returns the file without comments and without its unit tests.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        code.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Returns every path below `crate`, braces spread out, such as "backend::cpu::Cpu".
    fn uses(&self) -> Vec<String> {
        let code = self.code();
        let mut uses = Vec::new();
        for (at, word) in code.match_indices("crate::") {
            spread(&code[at + word.len()..], "", &mut uses);
        }
        uses
    }

    /// Returns the file's module as a path: "text/tokenizer/mod.rs" is "text::tokenizer", and the
    /// root of the library is empty.
    fn module_path(&self) -> String {
        let path = self.path.trim_end_matches(".rs").replace('/', "::");
        match path.rsplit_once("::") {
            Some((folder, "mod" | "main")) => folder.to_owned(),
            _ if path == "lib" => String::new(),
            _ => path,
        }
    }
}

/// Spreads `a::{b, c::{d}}` at the beginning of `text` to `a::b`, `a::c::d`; returns what follows.
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
            rest = spread(rest, &path, uses);
            // A new name (`as x`) or a star ends with the item.
            rest = &rest[rest.find([',', '}']).unwrap_or(rest.len())..];
        }
        if !rest.starts_with(',') {
            return rest.strip_prefix('}').unwrap_or(rest);
        }
    }
}

/// Holds the modules of the crate, with what each one imports.
struct Modules {
    /// Maps each module's path to its file.
    files: BTreeMap<String, String>,
    /// Maps module and imported name to the whole path.
    imports: BTreeMap<(String, String), String>,
}

impl Modules {
    fn of(sources: &[Source]) -> Self {
        let files = sources
            .iter()
            .map(|source| (source.module_path(), source.path.clone()))
            .collect();
        let mut modules = Modules {
            files,
            imports: BTreeMap::new(),
        };
        for source in sources {
            let module = source.module_path();
            for (_, path) in imports(&source.code()).0 {
                if let (Some(path), Some(name)) = (modules.whole(&module, &path), last(&path)) {
                    modules
                        .imports
                        .insert((module.clone(), name.to_owned()), path);
                }
            }
        }
        modules
    }

    /// Returns the path from the crate's root of a path as `module` writes it; `None` where it
    /// leads out of the crate.
    fn whole(&self, module: &str, path: &str) -> Option<String> {
        let (first, rest) = path.split_once("::").unwrap_or((path, ""));
        let root = if module.starts_with("bin::") {
            module.split("::").take(2).collect::<Vec<_>>().join("::")
        } else {
            String::new()
        };
        let base = match first {
            "crate" => root,
            "self" => module.to_owned(),
            "super" => module.rsplit_once("::").map_or("", |(up, _)| up).to_owned(),
            _ if self.files.contains_key(&join(module, first)) => join(module, first),
            _ => {
                let import = (module.to_owned(), first.to_owned());
                self.imports.get(&import)?.clone()
            }
        };
        Some(join(&base, rest))
    }

    /// Returns the file that a whole path leads to, through the re-exports on its way.
    fn file(&self, path: &str, depth: usize) -> Option<&str> {
        assert!(depth < 10, "{path} is imported in a circle");
        let (mut module, mut rest) = (path, "");
        while !self.files.contains_key(module) {
            module = module.rsplit_once("::").map_or("", |(up, _)| up);
            rest = path[module.len()..].trim_start_matches("::");
        }
        let name = rest.split("::").next().unwrap_or_default();
        let import = self.imports.get(&(module.to_owned(), name.to_owned()));
        match import {
            Some(import) if import != path => self.file(import, depth + 1),
            _ => self.files.get(module).map(String::as_str),
        }
    }

    /// Returns the files that a file uses. What it only re-exports (`pub use x::Y` in a `mod.rs`)
    /// is no use.
    fn files_used(&self, source: &Source) -> BTreeSet<&str> {
        let (module, code) = (source.module_path(), source.code());
        let (imports, code) = imports(&code);
        let is_mod = source.path.ends_with("mod.rs") || source.path == "lib.rs";
        let used = imports
            .into_iter()
            .filter(|(is_public, path)| {
                !(is_mod && *is_public && last(path).is_none_or(|name| !has_word(&code, name)))
            })
            .map(|(_, path)| path)
            .chain(inline_paths(&code));
        used.filter_map(|path| self.file(&self.whole(&module, &path)?, 0))
            .filter(|file| *file != source.path)
            .collect()
    }
}

/// Returns every imported path, with whether it is re-exported, and the code without its imports.
fn imports(code: &str) -> (Vec<(bool, String)>, String) {
    let (mut imports, mut rest) = (Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let words = line.trim_start();
        let import = words.split_once("use ").filter(|(before, _)| {
            before.is_empty() || before.starts_with("pub") && !before.contains('"')
        });
        let Some((before, import)) = import else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut import = import.to_owned();
        while !import.contains(';') {
            import.push_str(lines.next().unwrap_or(";").trim());
        }
        let mut paths = Vec::new();
        spread(&import, "", &mut paths);
        let is_public = before.starts_with("pub");
        imports.extend(paths.into_iter().map(|path| {
            let path = path.trim_end_matches("::self").trim_end_matches("::");
            (is_public, path.to_owned())
        }));
    }
    (imports, rest)
}

/// Returns the paths of two names and more in code, such as `ops::rms_norm`.
fn inline_paths(code: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c: char| !is_path(c))
        .map(|path| path.trim_matches(':'))
        .filter(|path| path.contains("::"))
        .map(str::to_owned)
        .collect()
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .any(|found| found == word)
}

fn last(path: &str) -> Option<&str> {
    path.rsplit("::").next()
}

fn join(base: &str, rest: &str) -> String {
    match (base, rest) {
        ("", path) | (path, "") => path.to_owned(),
        _ => format!("{base}::{rest}"),
    }
}

/// Returns the circles that a walk from `file` meets; `way` holds the files that led to it.
fn circles<'a>(
    file: &'a str,
    uses: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Vec<String> {
    if let Some(start) = way.iter().position(|seen| *seen == file) {
        return vec![format!("{} -> {file}", way[start..].join(" -> "))];
    }
    if done.contains(file) {
        return Vec::new();
    }
    way.push(file);
    let found = uses[file]
        .iter()
        .flat_map(|used| circles(used, uses, way, done))
        .collect();
    way.pop();
    done.insert(file);
    found
}

/// Returns every file with one of these extensions below a folder of the repository.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut folders, mut files) = (vec![root], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extensions.iter().any(|known| extension == *known))
            {
                files.push(path);
            }
        }
    }
    files
}

/// Returns a path below the repository, or below a folder of it, with slashes.
fn relative(path: &Path, folder: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let path = path.strip_prefix(root).expect("below the folder");
    path.to_string_lossy().replace('\\', "/")
}

fn sources() -> Vec<Source> {
    let sources: Vec<Source> = files("src", &["rs"])
        .iter()
        .map(|path| Source {
            path: relative(path, "src"),
            text: fs::read_to_string(path).expect("UTF-8"),
        })
        .collect();
    assert!(sources.len() > 30, "the sources are found");
    sources
}

/// Returns the library's files but for `lib.rs`, which only names the modules.
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
    uses.clear();
    assert_eq!(spread("a::{b as c, d::*, e}", "", &mut uses), "");
    assert_eq!(uses, ["a::b", "a::d::", "a::e"]);
}

#[test]
fn uses_lead_to_files() {
    let file = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let sources = [
        file("lib.rs", "mod a;\npub use a::{A, B};\n"),
        file(
            "a/mod.rs",
            "mod b;\nmod c;\npub use b::B;\npub use c::C;\nfn f() -> C {}\n",
        ),
        file(
            "a/b.rs",
            "use super::C;\n// use super::d;\npub struct B(C);\n",
        ),
        file("a/c.rs", "use crate::B as D;\npub struct C(D);\n"),
        file(
            "a/d.rs",
            "use super::{b::{self, X}, e};\nfn f() { e::f(); self::g(); Vec::new() }",
        ),
        file("a/e.rs", "fn f() {\n    crate::a::b::f();\n}\n"),
    ];
    let modules = Modules::of(&sources);
    let used: Vec<Vec<&str>> = sources
        .iter()
        .map(|source| modules.files_used(source).into_iter().collect())
        .collect();
    let expected: [&[&str]; 6] = [
        &[],
        &["a/c.rs"],
        &["a/c.rs"],
        &["a/b.rs"],
        &["a/b.rs", "a/e.rs"],
        &["a/b.rs"],
    ];
    assert_eq!(used, expected);
    let uses = sources
        .iter()
        .map(|source| (source.path.as_str(), modules.files_used(source)))
        .collect();
    assert_eq!(
        circles("a/d.rs", &uses, &mut Vec::new(), &mut BTreeSet::new()),
        ["a/b.rs -> a/c.rs -> a/b.rs"]
    );
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let sources = sources();
    let modules = Modules::of(&sources);
    let uses: BTreeMap<&str, BTreeSet<&str>> = sources
        .iter()
        .map(|source| {
            let used = modules.files_used(source);
            (source.path.as_str(), used)
        })
        .collect();
    let seen: usize = uses.values().map(BTreeSet::len).sum();
    assert!(seen > 100, "{seen} uses are too few to have been read");
    let mut done = BTreeSet::new();
    let found: Vec<String> = uses
        .keys()
        .flat_map(|file| circles(file, &uses, &mut Vec::new(), &mut done))
        .collect();
    assert!(found.is_empty(), "circles of files:\n{}", found.join("\n"));
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
            // `crate::{Code, Error, Result}` belong to the module `error`.
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
fn lines_are_short() {
    let mut long = Vec::new();
    let mut lines = 0;
    for folder in ["src", "tests", "shaders"] {
        for path in files(folder, &["rs", "wgsl", "mjs", "js", "py", "sh"]) {
            let name = relative(&path, "");
            for (i, line) in fs::read_to_string(&path)
                .expect("UTF-8")
                .lines()
                .enumerate()
            {
                lines += 1;
                if line.chars().count() > MAX_COLUMNS {
                    long.push(format!("{name}:{}", i + 1));
                }
            }
        }
    }
    assert!(
        long.len() * 100 < lines,
        "{} of {lines} lines have more than {MAX_COLUMNS} columns:\n{}",
        long.len(),
        long.join("\n")
    );
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
        .filter(|name| !["f32", "f16", "bf16"].contains(&name.as_str()))
        .collect();
    assert_eq!(expected.len(), 24);
    let others = [
        "block", "codebook", "dtype", "floats", "format", "grid", "mod", "random",
    ];
    expected.extend(others.map(str::to_owned));
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
fn what_javascript_has_is_called_by_its_type() {
    let by_name: Vec<_> = library()
        .into_iter()
        .filter(|source| has_word(&source.code(), "Reflect"))
        .map(|source| source.path)
        .collect();
    assert_eq!(by_name, [""; 0], "web-sys has the types of browsers");
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
