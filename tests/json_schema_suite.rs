//! Runs the official JSON-Schema-Test-Suite, and writes docs/structured_output.md: which keywords
//! answers can be held to. It is run by hand, on the suite's folder tests/draft2020-12:
//!
//! `SISKIN_JSON_SCHEMA_SUITE=FOLDER cargo test --test json_schema_suite`

mod support;

use serde_json::Value;
use siskin::grammar::{Form, Grammars, Matcher};
use std::{collections::BTreeMap, fmt::Write, fs, path::Path, sync::Arc};
use support::chat::{END, tokenizer};

const PAGE: &str = "docs/structured_output.md";

/// Counts what came of a file of the suite, which is about a keyword.
#[derive(Default)]
struct Count {
    schemas: usize,
    compiled: usize,
    valid: usize,
    valid_accepted: usize,
    invalid: usize,
    invalid_accepted: Vec<String>,
    refusals: BTreeMap<String, usize>,
}

/// Returns JSON on one line, with a space behind commas and colons.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(spaced).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(&name[..]), spaced(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        plain => plain.to_string(),
    }
}

/// Returns whether an answer of this text would be complete.
fn accepts(mut matcher: Matcher, text: &str) -> bool {
    let mut mask = vec![0u32; 259usize.div_ceil(32)];
    let mut allows = |matcher: &mut Matcher, token: u32| {
        matcher.mask(&mut mask).is_ok() && mask[token as usize / 32] >> (token % 32) & 1 == 1
    };
    for token in text.bytes().map(u32::from) {
        if !allows(&mut matcher, token) {
            return false;
        }
        matcher.accept(&[token]);
    }
    allows(&mut matcher, END)
}

fn run(grammars: &Grammars, groups: &Value) -> Count {
    let mut count = Count::default();
    for group in groups.as_array().unwrap() {
        count.schemas += 1;
        let matcher = match grammars.compile(&Form::JsonSchema(group["schema"].clone())) {
            Ok(matcher) => matcher,
            Err(error) => {
                *count.refusals.entry(error.message).or_default() += 1;
                continue;
            }
        };
        count.compiled += 1;
        for case in group["tests"].as_array().unwrap() {
            let accepted = accepts(matcher.clone(), &spaced(&case["data"]));
            if case["valid"] == true {
                count.valid += 1;
                count.valid_accepted += usize::from(accepted);
            } else {
                count.invalid += 1;
                if accepted {
                    let what = format!("{}, {}", group["description"], case["description"]);
                    count.invalid_accepted.push(what);
                }
            }
        }
    }
    count
}

#[test]
fn the_suite_says_what_is_supported() {
    let Some(folder) = std::env::var_os("SISKIN_JSON_SCHEMA_SUITE") else {
        println!("SKIPPED: SISKIN_JSON_SCHEMA_SUITE names no folder");
        return;
    };
    let grammars = Grammars::new(Arc::new(tokenizer(false))).unwrap();
    let (mut table, mut total, mut wrong) = (String::new(), [0; 5], Vec::new());
    let mut files: Vec<_> = fs::read_dir(Path::new(&folder))
        .unwrap()
        .flatten()
        .collect();
    files.sort_by_key(|file| file.file_name());
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        let Some(keyword) = name.strip_suffix(".json") else {
            continue;
        };
        let groups = serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
        let count = run(&grammars, &groups);
        let _ = writeln!(
            table,
            "| {keyword} | {} of {} | {} of {} | {} of {} |",
            count.compiled,
            count.schemas,
            count.valid_accepted,
            count.valid,
            count.invalid_accepted.len(),
            count.invalid
        );
        let sums = [
            count.compiled,
            count.schemas,
            count.valid_accepted,
            count.valid,
            count.invalid,
        ];
        total
            .iter_mut()
            .zip(sums)
            .for_each(|(total, sum)| *total += sum);
        for refusal in count.refusals.keys() {
            println!("{keyword}: {refusal}");
        }
        wrong.extend(
            count
                .invalid_accepted
                .into_iter()
                .map(|it| format!("{keyword}: {it}")),
        );
    }
    let [compiled, schemas, valid_accepted, valid, invalid] = total;
    let wrong_lines: String = match wrong[..] {
        [] => "None.\n".to_owned(),
        _ => wrong.iter().map(|it| format!("- {it}\n")).collect(),
    };
    let page = format!(
        "# What JSON schemas answers can be held to\n\n\
         This page is written by `tests/json_schema_suite.rs` from the official \
         JSON-Schema-Test-Suite, draft 2020-12.\n\
         A schema that does not compile is refused with `invalid_argument`. Of those that do, an \
         answer never has a value that does not fit, but for those listed below; some values that \
         fit cannot be written, such as objects whose fields stand in another order than in \
         `properties`.\n\n\
         | file of the suite | schemas that compile | values that fit and can be written | \
         values that do not fit and can |\n|---|--:|--:|--:|\n{table}\
         | all | {compiled} of {schemas} | {valid_accepted} of {valid} | {} of {invalid} |\n\n\
         ## Values that do not fit and can be written\n\n{wrong_lines}",
        wrong.len()
    );
    // What stands there about real models is written by hand.
    let old = fs::read_to_string(PAGE).unwrap();
    let by_hand = old.find("\n## Real models").map_or("", |at| &old[at..]);
    fs::write(PAGE, page + by_hand).unwrap();
    assert!(wrong.len() < 60, "{wrong:#?}");
}
