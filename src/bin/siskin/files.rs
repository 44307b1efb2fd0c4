//! Reads and writes files, and writes to standard output.

use siskin::{
    Code, Error, Result,
    format::gguf::{Gguf, GgufReader, TensorInfo},
};
use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
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
fn read(path: &Path, mut push: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
    let mut file = File::open(path).map_err(unreadable(path))?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut chunk).map_err(unreadable(path))?;
        if len == 0 || push(&chunk[..len])? {
            return Ok(());
        }
    }
}

/// Returns the files of the model at `path`: those that llama.cpp has split it into, if the name is
/// that of the first of them, `NAME-00001-of-0000N.gguf`.
pub fn model_files(path: &Path) -> Vec<PathBuf> {
    let files = || {
        let name = path.file_name()?.to_str()?;
        let (begin, count) = name.strip_suffix(".gguf")?.split_once("-00001-of-")?;
        let count = count.parse().ok().filter(|_| count.len() == 5)?;
        let file = |i: u32| path.with_file_name(format!("{begin}-{i:05}-of-{count:05}.gguf"));
        Some((1..=count).map(file).collect())
    };
    files().unwrap_or_else(|| vec![path.to_owned()])
}

/// Passes the files of the model at `path` to `push`, chunk by chunk and one after the other.
///
/// # Errors
///
/// `io`, and those of `push`.
pub fn read_model(path: &Path, mut push: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    for file in model_files(path) {
        read(&file, |chunk| push(chunk).map(|()| false))?;
    }
    Ok(())
}

/// Reads the header of a model, that of all files of a split one.
///
/// # Errors
///
/// `io`, `gguf_truncated`, `gguf_split`, and those of [`GgufReader::push`].
pub fn model_header(path: &Path) -> Result<Gguf> {
    let mut gguf = header(path)?;
    let Some(mut split) = gguf.split()? else {
        return Ok(gguf);
    };
    let mut begin = 0;
    for (index, file) in (0..).zip(model_files(path)) {
        if index > 0 {
            split.index = index;
            gguf.append(split, header(&file)?, begin)?;
        }
        begin += fs::metadata(&file).map_err(unreadable(&file))?.len();
    }
    Ok(gguf)
}

/// Reads the header of a model that is one file.
///
/// # Errors
///
/// `io`, `gguf_truncated`, `gguf_split` for a split model, and those of [`GgufReader::push`].
fn whole_header(path: &Path) -> Result<Gguf> {
    let gguf = header(path)?;
    match gguf.split()? {
        None => Ok(gguf),
        Some(split) => Err(Error::new(
            Code::GgufSplit,
            format!(
                "`{}` is file {} of {} of a model that was split. Join them with \
                 llama-gguf-split --merge.",
                path.display(),
                split.index + 1,
                split.count
            ),
        )),
    }
}

/// Holds a file whose header is known, and which has all bytes of its tensors.
pub struct WholeFile {
    path: PathBuf,
    pub file: File,
    pub gguf: Gguf,
    /// Counts the bytes, those behind the last tensor too.
    pub size_bytes: u64,
}

impl WholeFile {
    /// Opens a model or an adapter that is one file.
    ///
    /// # Errors
    ///
    /// `io`, `gguf_truncated`, and those of [`whole_header`].
    pub fn open(path: &Path) -> Result<Self> {
        let gguf = whole_header(path)?;
        let file = File::open(path).map_err(unreadable(path))?;
        let size_bytes = file.metadata().map_err(unreadable(path))?.len();
        if size_bytes < gguf.size_bytes {
            let message = format!(
                "`{}` has {size_bytes} bytes of {}: download it again.",
                path.display(),
                gguf.size_bytes
            );
            return Err(Error::new(Code::GgufTruncated, message));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            gguf,
            size_bytes,
        })
    }

    /// Returns the bytes of a tensor.
    ///
    /// # Errors
    ///
    /// `io`.
    pub fn tensor(&self, tensor: &TensorInfo) -> Result<Vec<u8>> {
        let mut data = vec![0; tensor.size_bytes as usize];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(tensor.offset))
            .and_then(|_| file.read_exact(&mut data))
            .map_err(unreadable(&self.path))?;
        Ok(data)
    }
}

/// Reads the header of a file.
///
/// # Errors
///
/// `io`, `gguf_truncated`, and those of [`GgufReader::push`].
fn header(path: &Path) -> Result<Gguf> {
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
