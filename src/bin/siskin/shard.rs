//! `siskin shard`: splits a model into files that any static host takes, with the manifest by which
//! a page loads them.

use crate::{
    arguments::Arguments,
    files::{WholeFile, show, unreadable},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use siskin::{Code, Error, Result, format::gguf::Gguf};
use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

/// Sets how many bytes a page verifies at a time (`CHUNK_BYTES` in www/lib/model/record.js).
/// Every shard but the last is a whole number of chunks.
const CHUNK_BYTES: u64 = 8 << 20;
/// Sets the size of a shard without `--max`: below the 25 MiB that some hosts allow for a file.
const DEFAULT_MAX: &str = "24MiB";

/// Describes the content of `manifest.json`.
#[derive(Serialize)]
struct Manifest<'a> {
    siskin_manifest: u32,
    name: &'a str,
    architecture: &'a str,
    file_type: &'static str,
    parameter_count: u64,
    context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<&'a str>,
    size_bytes: u64,
    sha256: String,
    chunk_bytes: u64,
    chunks: Vec<String>,
    shards: Vec<Shard>,
}

/// Describes a shard in the manifest.
#[derive(Serialize)]
struct Shard {
    file: String,
    size_bytes: u64,
    sha256: String,
}

/// Writes the shards and the manifest into the folder of `--out`, and prints the manifest's hash.
///
/// # Errors
///
/// `invalid_argument`, `io`, `gguf_truncated`, and those of the reader.
pub fn shard(arguments: &Arguments) -> Result<()> {
    let from = Path::new(arguments.word(1, "MODEL")?);
    let missing = || {
        Error::new(
            Code::InvalidArgument,
            "--out is missing: the folder that gets the shards. See siskin help.",
        )
    };
    let to = Path::new(arguments.option("out").ok_or_else(missing)?);
    let max_bytes = bytes(arguments.option("max").unwrap_or(DEFAULT_MAX))?;
    let WholeFile {
        gguf,
        mut file,
        size_bytes,
        ..
    } = WholeFile::open(from)?;
    let unwritable = |error| {
        Error::new(
            Code::Io,
            format!(
                "`{}` cannot be written: {error}. Check it and the space left.",
                to.display()
            ),
        )
    };
    fs::create_dir_all(to).map_err(unwritable)?;
    if fs::read_dir(to).map_err(unwritable)?.next().is_some() {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "`{}` is not empty. Give --out a folder of its own.",
                to.display()
            ),
        ));
    }

    let (mut whole, mut chunks, mut shards) = (Sha256::new(), Vec::new(), Vec::new());
    let mut chunk = Vec::new();
    let mut left = size_bytes;
    while left > 0 {
        let partial = to.join("partial");
        let mut out = File::create(&partial).map_err(unwritable)?;
        let (mut shard, mut shard_bytes) = (Sha256::new(), 0);
        while left > 0 && shard_bytes + CHUNK_BYTES <= max_bytes {
            chunk.clear();
            Read::by_ref(&mut file)
                .take(left.min(CHUNK_BYTES))
                .read_to_end(&mut chunk)
                .map_err(unreadable(from))?;
            if chunk.is_empty() {
                return Err(Error::new(
                    Code::Io,
                    format!(
                        "`{}` became shorter while it was read. Start again.",
                        from.display()
                    ),
                ));
            }
            out.write_all(&chunk).map_err(unwritable)?;
            whole.update(&chunk);
            shard.update(&chunk);
            chunks.push(hex(Sha256::digest(&chunk)));
            shard_bytes += chunk.len() as u64;
            left -= chunk.len() as u64;
        }
        let sha256 = hex(shard.finalize());
        // With its hash in the name, a shard can be cached for ever.
        let name = format!("shard-{:05}-{}.bin", shards.len() + 1, &sha256[..8]);
        fs::rename(&partial, to.join(&name)).map_err(unwritable)?;
        shards.push(Shard {
            file: name,
            size_bytes: shard_bytes,
            sha256,
        });
    }

    let manifest = manifest(&gguf, size_bytes, hex(whole.finalize()), chunks, shards)?;
    let mut text = serde_json::to_string_pretty(&manifest).map_err(|error| {
        Error::new(
            Code::Io,
            format!("The manifest cannot be written: {error}. Please report it."),
        )
    })?;
    text.push('\n');
    fs::write(to.join("manifest.json"), &text).map_err(unwritable)?;
    show(&format!(
        "{} shards and manifest.json in {}\nsha256 of manifest.json: {}\n",
        manifest.shards.len(),
        to.display(),
        hex(Sha256::digest(&text))
    ))
}

/// Makes the manifest.
fn manifest(
    gguf: &Gguf,
    size_bytes: u64,
    sha256: String,
    chunks: Vec<String>,
    shards: Vec<Shard>,
) -> Result<Manifest<'_>> {
    let architecture = gguf.metadata.str("general.architecture")?;
    // These keys are optional: a value of another type counts as none.
    let text = |key| gguf.metadata.opt_str(key).ok().flatten();
    let context_key = format!("{architecture}.context_length");
    Ok(Manifest {
        siskin_manifest: 1,
        name: text("general.name").unwrap_or("unnamed"),
        architecture,
        file_type: gguf.file_type(),
        parameter_count: gguf.parameter_count(),
        context_tokens: gguf.metadata.opt_u64(&context_key).ok().flatten(),
        license: text("general.license"),
        size_bytes,
        sha256,
        chunk_bytes: CHUNK_BYTES,
        chunks,
        shards,
    })
}

/// Returns the number of bytes that "24MiB", "25MB" or "25165824" says.
///
/// # Errors
///
/// `invalid_argument`.
fn bytes(text: &str) -> Result<u64> {
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let unit = match unit {
        "" => Some(1),
        "MB" => Some(1_000_000),
        "MiB" => Some(1 << 20),
        _ => None,
    };
    let bytes = number
        .parse::<u64>()
        .ok()
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    bytes.filter(|&bytes| bytes >= CHUNK_BYTES).ok_or_else(|| {
        Error::new(
            Code::InvalidArgument,
            format!(
                "\"{text}\" is no size that --max takes. Give 8MiB or more, such as {DEFAULT_MAX}."
            ),
        )
    })
}

/// Returns a hash in hexadecimal digits.
fn hex(hash: impl AsRef<[u8]>) -> String {
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
