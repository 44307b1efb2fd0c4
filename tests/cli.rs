//! Tests the command line, as a shell runs it.

mod support;

use sha2::{Digest, Sha256};
use siskin::quant::DType;
use std::{
    path::PathBuf,
    process::{Command, Output},
};
use support::model_file::ModelFile;

fn siskin(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siskin"))
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Runs the program, which must succeed, and returns its standard output.
fn answer(arguments: &[&str]) -> String {
    let output = siskin(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Runs the program, which must fail, and returns its standard error: one line that ends with the
/// error's code.
fn refusal(arguments: &[&str], code: &str) -> String {
    let output = siskin(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let text = text(&output.stderr);
    let last = text.trim_end().lines().last().unwrap_or_default();
    assert!(
        last.starts_with("siskin: ") && last.ends_with(&format!(". ({code})")),
        "{arguments:?}: {text}"
    );
    last.to_owned()
}

/// Returns the standard error of a command that needs a graphics card, or `None` where there is
/// none.
fn said_of_the_card(output: &Output) -> Option<String> {
    let error = text(&output.stderr);
    if !error.contains("(gpu_unavailable)") {
        return Some(error);
    }
    assert!(
        std::env::var_os("SISKIN_REQUIRE_MODELS").is_none(),
        "{error}"
    );
    eprintln!("SKIPPED: {error}");
    None
}

fn fixture(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
        .display()
        .to_string()
}

#[test]
fn help_lists_the_commands() {
    for arguments in [&[][..], &["help"], &["--help"], &["run", "-h"]] {
        let help = answer(arguments);
        for command in ["run", "inspect", "eval", "shard", "bench"] {
            assert!(help.contains(&format!("siskin {command} MODEL")), "{help}");
        }
    }
}

#[test]
fn inspect_tells_what_a_file_holds() {
    let model = fixture("models/qwen2-tiny.gguf");
    let brief = answer(&["inspect", &model]);
    assert!(
        brief.contains("general.architecture = String(\"qwen2\")")
            && brief.contains("qwen2.block_count = U32(2)"),
        "{brief}"
    );
    assert!(
        brief.contains("tensors of F16") && !brief.contains("blk.1.attn_q.bias"),
        "{brief}"
    );
    let long = answer(&["inspect", &model, "--tensors"]);
    assert!(
        long.starts_with(&brief) && long.contains("blk.1.attn_q.bias"),
        "{long}"
    );
}

#[test]
fn a_split_model_is_known_by_its_first_file() {
    let first = fixture("split/chat-tiny-00001-of-00003.gguf");
    let said = answer(&["inspect", &first, "--tensors"]);
    let whole = answer(&["inspect", &fixture("models/chat-tiny.gguf"), "--tensors"]);
    let types = |said: &str| -> Vec<String> {
        let lines = said.lines().filter(|line| line.contains(" tensors of "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(types(&said), types(&whole));
    for tensor in ["token_embd.weight", "output_norm.weight"] {
        assert!(said.contains(tensor), "{said}");
    }
    let license = fixture("real/gpl3.txt");
    let measured = |model: &str| {
        let said = answer(&["eval", model, &license, "--tokens", "50"]);
        said.split(' ').nth(1).map(str::to_owned)
    };
    assert_eq!(
        measured(&first),
        measured(&fixture("models/chat-tiny.gguf"))
    );
    let second = fixture("split/chat-tiny-00002-of-00003.gguf");
    let said = refusal(&["eval", &second, &license], "gguf_split");
    assert!(said.contains("file 2 of a model"), "{said}");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("split.gguf");
    let out = out.display().to_string();
    let said = refusal(&["convert", &first, &out], "gguf_split");
    assert!(said.contains("is file 1 of 3"), "{said}");

    // A file that is not there is named.
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("split");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    let alone = folder.join("chat-tiny-00001-of-00003.gguf");
    std::fs::copy(&first, &alone).expect("a copy");
    let said = refusal(&["eval", &alone.display().to_string(), &license], "io");
    assert!(said.contains("chat-tiny-00002-of-00003.gguf"), "{said}");
}

/// Writes a model that can chat into a file of its own.
fn chatting_model(name: &str) -> String {
    let file = std::fs::read(fixture("models/qwen2-tiny.gguf")).expect("a fixture");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, support::chat_model::chatting(&file)).expect("a writable folder");
    path.display().to_string()
}

#[test]
fn eval_measures_perplexity() {
    let (model, license) = (chatting_model("eval.gguf"), fixture("real/gpl3.txt"));
    let measured = answer(&["eval", &model, &license, "--tokens", "100"]);
    let perplexity: f64 = measured
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("a number");
    assert!(
        measured.starts_with("perplexity ") && measured.contains(" over 100 tokens"),
        "{measured}"
    );
    assert!(perplexity.is_finite() && perplexity > 1.0, "{measured}");
    let threaded = answer(&[
        "eval",
        &model,
        &license,
        "--tokens",
        "100",
        "--threads",
        "3",
    ]);
    assert_eq!(
        threaded.split(' ').nth(1),
        measured.split(' ').nth(1),
        "{threaded}"
    );
}

#[test]
fn run_answers_and_says_how_fast() {
    let model = chatting_model("run.gguf");
    let run = |more: &[&str]| {
        siskin(
            &[
                &[
                    "run",
                    &model,
                    "Hello",
                    "--system",
                    "Be brief.",
                    "--max-tokens",
                    "20",
                ],
                more,
            ]
            .concat(),
        )
    };
    let [first, again, other] =
        [["--seed", "1"], ["--seed", "1"], ["--seed", "2"]].map(|more| run(&more));
    let figures = text(&first.stderr);
    assert!(
        first.status.success()
            && figures.contains("loaded in ")
            && figures.contains("prefill ")
            && figures.contains("decode "),
        "{figures}"
    );
    assert_eq!(first.stdout, again.stdout, "a seed gives one answer");
    assert_ne!(first.stdout, other.stdout, "another seed gives another");
    assert!(first.stdout.len() > 10, "20 random tokens are some text");
    let greedy = [["1"], ["2"]].map(|[seed]| run(&["--temperature", "0", "--seed", seed]).stdout);
    assert_eq!(greedy[0], greedy[1], "greedy answers need no seed");
    refusal(&["run", &model, "Hello", "--context", "20"], "context_full");
}

#[test]
fn bench_measures_speed() {
    let measured = answer(&[
        "bench",
        &fixture("models/llama3-tiny.gguf"),
        "--prompt",
        "8",
        "--generate",
        "2",
        "--rounds",
        "2",
    ]);
    assert_eq!(measured.lines().count(), 2, "{measured}");
    assert!(
        measured
            .lines()
            .all(|line| line.starts_with("prefill ") && line.ends_with(" t/s")),
        "{measured}"
    );
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn shard_cuts_a_file_and_describes_the_pieces() {
    const CHUNK: usize = 8 << 20;
    // Bytes after the last tensor are in the shards too.
    let mut file = std::fs::read(fixture("models/qwen2-tiny.gguf")).expect("a fixture");
    file.extend((file.len()..3 * CHUNK + 5).map(|i| (i * 7) as u8));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shard");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a writable folder");
    let model = folder.join("model.gguf").display().to_string();
    std::fs::write(&model, &file).expect("a writable folder");
    let out = folder.join("out");
    let said = answer(&[
        "shard",
        &model,
        "--max",
        "17MB",
        "--out",
        &out.display().to_string(),
    ]);

    let text = std::fs::read(out.join("manifest.json")).expect("a manifest");
    assert!(said.contains(&sha256(&text)), "{said}");
    let manifest: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(manifest["siskin_manifest"], 1);
    assert_eq!(manifest["architecture"], "qwen2");
    assert_eq!(manifest["file_type"], "F16");
    assert_eq!(manifest["size_bytes"], file.len());
    assert_eq!(manifest["sha256"], sha256(&file));
    assert_eq!(manifest["chunk_bytes"], CHUNK);
    let chunks: Vec<String> = file.chunks(CHUNK).map(sha256).collect();
    assert_eq!(manifest["chunks"], serde_json::json!(chunks));

    let shards = manifest["shards"].as_array().expect("shards");
    assert_eq!(shards.len(), 2, "two chunks fit 17 MB");
    let mut whole = Vec::new();
    for shard in shards {
        let piece =
            std::fs::read(out.join(shard["file"].as_str().expect("a name"))).expect("a shard");
        assert_eq!(shard["size_bytes"], piece.len());
        assert_eq!(shard["sha256"], sha256(&piece));
        whole.extend(piece);
    }
    assert!(whole == file, "the shards are the file");
    assert_eq!(
        std::fs::read_dir(&out).expect("a folder").count(),
        3,
        "nothing else is left there"
    );
    refusal(
        &["shard", &model, "--out", &out.display().to_string()],
        "invalid_argument",
    );
}

#[test]
fn shard_takes_a_file_whose_name_is_no_text() {
    let file = ModelFile::small(DType::Q8_0)
        .with("general.name", 3_u32)
        .with("general.license", 3_u32);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shard-unnamed");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a writable folder");
    let model = folder.join("model.gguf").display().to_string();
    std::fs::write(&model, file.to_bytes()).expect("a writable folder");
    let out = folder.join("out");
    answer(&["shard", &model, "--out", &out.display().to_string()]);
    let text = std::fs::read(out.join("manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(manifest["name"], "unnamed");
    assert_eq!(manifest.get("license"), None);
}

#[test]
fn run_takes_a_chat_template_from_a_file() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let template = folder.join("template.jinja").display().to_string();
    let model = fixture("models/chat-tiny.gguf");
    let run = ["run", &model, "Hello", "--max-tokens", "1"];
    let run = [&run[..], &["--chat-template-file", &template]].concat();
    std::fs::write(&template, "{{ messages[0].content }}").expect("a writable folder");
    answer(&run);
    std::fs::write(&template, "{% if %}").expect("a writable folder");
    let says = refusal(&run, "template");
    assert!(says.contains("does not parse"), "{says}");
    std::fs::remove_file(&template).expect("a file");
    refusal(&run, "io");
}

#[test]
fn run_needs_a_chat_template() {
    let says = refusal(
        &["run", &fixture("models/qwen2-tiny.gguf"), "Hello"],
        "template",
    );
    assert!(says.contains("no chat template"), "{says}");
}

#[test]
fn bad_arguments_say_which() {
    let model = fixture("models/qwen2-tiny.gguf");
    for (arguments, says) in [
        (&["dance"][..], "\"dance\""),
        (&["inspect"], "MODEL"),
        (&["run", &model], "PROMPT"),
        (&["eval", &model], "TEXTFILE"),
        (
            &["run", &model, "Hi", "--max-tokens", "many"],
            "--max-tokens",
        ),
        (
            &["run", &model, "Hi", "--temperature", "hot"],
            "--temperature",
        ),
        (&["run", &model, "Hi", "--context", "0"], "context of 0"),
        (&["run", &model, "Hi", "--context", "513"], "1 to 512"),
        (&["run", &model, "Hi", "--seed"], "--seed"),
        (&["run", &model, "Hi", "--threads", "0"], "--threads"),
        (&["run", &model, "Hi", "--colour", "red"], "--colour"),
        (
            &["eval", &model, &fixture("real/gpl3.txt"), "--tokens", "1"],
            "--tokens",
        ),
        (&["shard", &model], "--out"),
        (
            &["shard", &model, "--max", "1MiB", "--out", "absent"],
            "--max",
        ),
        (
            &["shard", &model, "--max", "9GiB", "--out", "absent"],
            "--max",
        ),
        (&["synth"], "OUT"),
        (&["synth", "absent", "--shape", "gpt-5"], "smollm2-135m"),
        (&["synth", "absent", "--type", "Q9"], "Q4_0"),
        (&["bench", &model, "--json"], "--gpu"),
    ] {
        let said = refusal(arguments, "invalid_argument");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn bad_files_say_what_is_wrong() {
    let says = refusal(&["inspect", "no/such/file.gguf"], "io");
    assert!(says.contains("no/such/file.gguf"), "{says}");
    refusal(&["run", &fixture("models"), "Hi"], "io");
    refusal(&["inspect", &fixture("real/gpl3.txt")], "not_gguf");
    refusal(&["run", &fixture("real/gpl3.txt"), "Hi"], "not_gguf");
    refusal(
        &["eval", &fixture("small.gguf"), &fixture("real/gpl3.txt")],
        "metadata",
    );
    refusal(
        &[
            "eval",
            &fixture("models/qwen2-tiny.gguf"),
            &fixture("quant.bin"),
        ],
        "io",
    );
}

#[test]
fn the_graphics_card_is_compared_with_the_processor() {
    let output = siskin(&[
        "compare",
        &fixture("models/qwen2-tiny.gguf"),
        "--prompt",
        "12",
    ]);
    let Some(error) = said_of_the_card(&output) else {
        return;
    };
    let told = text(&output.stdout);
    assert!(
        output.status.success()
            && told.starts_with("12 tokens on ")
            && told.ends_with("All are near.\n"),
        "{told}{error}"
    );
    for name in ["token_embd", "blk.0.attn_q", "blk.1.ffn_down"] {
        assert!(
            told.lines()
                .any(|line| line.starts_with(name) && line.ends_with("% off")),
            "{told}"
        );
    }
}

#[test]
fn a_made_up_model_has_the_shape_and_can_be_measured() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("synth.gguf");
    let path = path.to_str().expect("UTF-8");
    let said = answer(&["synth", path, "--shape", "smollm2-135m", "--type", "q4_k"]);
    assert!(said.contains("the shape of smollm2-135m"), "{said}");
    let header = answer(&["inspect", path, "--tensors"]);
    for part in ["llama", "blk.29.ffn_down.weight", "Q4_K"] {
        assert!(header.contains(part), "{header}");
    }
    // Rows of 576 weights do not end with a block of 256.
    let q = header
        .lines()
        .find(|line| line.contains("blk.0.attn_q.weight"));
    assert!(q.is_some_and(|line| line.contains("Q5_0")), "{q:?}");
    let speed = answer(&[
        "bench",
        path,
        "--prompt",
        "8",
        "--generate",
        "2",
        "--rounds",
        "1",
    ]);
    assert!(speed.starts_with("prefill "), "{speed}");
    std::fs::remove_file(path).expect("it is there");
}

#[test]
fn a_graphics_card_is_measured_as_json() {
    let output = siskin(&[
        "bench",
        &fixture("models/qwen2-tiny.gguf"),
        "--gpu",
        "--json",
    ]);
    let Some(error) = said_of_the_card(&output) else {
        return;
    };
    assert!(output.status.success(), "{error}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(
        report["copy_gb_per_second"]
            .as_f64()
            .is_some_and(|speed| speed > 0.0)
    );
    let tunings = report["tuning"].as_array().expect("a list");
    let counts = tunings
        .iter()
        .map(|outcome| outcome["count"].as_u64().unwrap_or(0));
    assert_eq!(counts.sum::<u64>(), 20, "{report}");
    // The cache holds 512 positions.
    assert_eq!(
        report["decode"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
    let kernels = report["decode"][0]["kernels"].as_array().expect("a list");
    let matvec = kernels.iter().find(|kernel| {
        let name = kernel["kernel"].as_str().unwrap_or_default();
        name.starts_with("matmul/matvec")
    });
    let speed = matvec.and_then(|kernel| kernel["gb_per_second"].as_f64());
    assert!(speed.is_some_and(|speed| speed > 0.0), "{report}");
    assert!(
        report["prefill"][0]["tokens_per_second"]
            .as_f64()
            .is_some_and(|speed| speed > 0.0)
    );
    assert!(report["prefill"][3]["skipped"].is_string(), "{report}");
    assert_eq!(report["checked"][3]["tokens"], 8, "{report}");
    assert!(report["checked"][3]["milliseconds"].is_f64(), "{report}");
    assert_eq!(report["after_a_loss"], "gpu_lost");
}
