//! Reads and writes files, and writes to standard output.

use siskin::{
    Code, Error, Result,
    format::gguf::{Gguf, GgufReader},
};
use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

/// Writes `text` to standard output and flushes it.
///
/// # Errors
///
/// `io`.
pub fn show(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let outcome = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    outcome.map_err(|error| {
        Error::new(
            Code::Io,
            format!("The output cannot be written: {error}. Look where it goes."),
        )
    })
}

/// Makes the file at `path` and lets `fill` write it.
///
/// # Errors
///
/// `io`.
pub fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    let unwritable = |error| {
        Error::new(
            Code::Io,
            format!(
                "`{}` cannot be written: {error}. Check its folder and the space left.",
                path.display()
            ),
        )
    };
    let mut out = BufWriter::new(File::create(path).map_err(unwritable)?);
    fill(&mut out)
        .and_then(|()| out.flush())
        .map_err(unwritable)
}

/// Returns what makes an error of a failure to read `path`.
pub fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |error| {
        Error::new(
            Code::Io,
            format!(
                "`{}` cannot be read: {error}. Check its name.",
                path.display()
            ),
        )
    }
}

/// Passes the file to `push` chunk by chunk, until `push` returns that it has enough.
///
/// # Errors
///
/// `io`, and those of `push`.
pub fn read(path: &Path, mut push: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
    let mut file = File::open(path).map_err(unreadable(path))?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut chunk).map_err(unreadable(path))?;
        if len == 0 || push(&chunk[..len])? {
            return Ok(());
        }
    }
}

/// Reads the header of a model file.
///
/// # Errors
///
/// `io`, `gguf_truncated`, and those of [`GgufReader::push`].
pub fn header(path: &Path) -> Result<Gguf> {
    let (mut reader, mut header) = (GgufReader::new(), None);
    read(path, |chunk| {
        header = reader.push(chunk)?;
        Ok(header.is_some())
    })?;
    reader.finish()?;
    header.ok_or_else(|| {
        Error::new(
            Code::GgufTruncated,
            format!(
                "`{}` ends inside its header: download it again.",
                path.display()
            ),
        )
    })
}
