//! A model that llama.cpp's `gguf-split` has split lies in several files.
//!
//! Each is a GGUF file with the tensors that it holds; the first has the model's metadata too. Every
//! header says which file it is (`split.no`), of how many (`split.count`), and how many tensors
//! these have together (`split.tensors.count`).

use super::header::{Gguf, MAX_COUNT};
use crate::format::{malformed, quoted};
use crate::{Code, Error, Result};
use std::collections::HashSet;

/// Tells which file of a split model a header is that of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Holds the number of the file, which counts from 0.
    pub index: u64,
    /// Counts the files, at least 2.
    pub count: u64,
    /// Counts the tensors of all files, where the header says so.
    pub tensors: Option<u64>,
}

impl Gguf {
    /// Tells which file of a split model this is, or `None` where the file is the whole model.
    ///
    /// # Errors
    /// `gguf_malformed` where the keys make no sense.
    pub fn split(&self) -> Result<Option<Split>> {
        let number = |key| match self.metadata.opt_u64(key) {
            Ok(None) => Ok(None),
            Ok(Some(n)) if n <= MAX_COUNT => Ok(Some(n)),
            _ => Err(malformed(format!("`{key}` is no number that can be"))),
        };
        let split = Split {
            index: number("split.no")?.unwrap_or_default(),
            count: number("split.count")?.unwrap_or_default(),
            tensors: number("split.tensors.count")?,
        };
        // A file that was merged again has a count of 0.
        match split.index {
            0 if split.count <= 1 => Ok(None),
            index if index >= split.count => Err(malformed(format!(
                "`split.no` is {index}, but the model has {} files",
                split.count
            ))),
            _ => Ok(Some(split)),
        }
    }

    /// Adds the header of a split model's next file, which begins `begin` bytes behind the first
    /// byte of the first file.
    ///
    /// # Errors
    /// `gguf_split` where it is another file than the next, or more tensors come than the first
    /// header says; `gguf_malformed` for tensors that lie beyond any file's end.
    pub fn append(&mut self, expected: Split, mut next: Gguf, begin: u64) -> Result<()> {
        let Split { index, count, .. } = expected;
        match next.split()? {
            Some(split) if split == expected => {}
            Some(split) if split.count == count && split.tensors == expected.tensors => {
                return Err(wrong(format!(
                    "File {} of {count} came where file {} was expected",
                    split.index + 1,
                    index + 1
                )));
            }
            _ => {
                return Err(wrong(format!(
                    "What came as file {} of {count} is of another model",
                    index + 1
                )));
            }
        }
        let names: HashSet<&str> = self.tensors.iter().map(|tensor| &*tensor.name).collect();
        for tensor in &mut next.tensors {
            if names.contains(&*tensor.name) {
                return Err(wrong(format!(
                    "File {} has the tensor {} of a file before it",
                    index + 1,
                    quoted(&tensor.name)
                )));
            }
            let offset = tensor.offset.checked_add(begin);
            tensor.offset = offset
                .filter(|offset| offset.checked_add(tensor.size_bytes).is_some())
                .ok_or_else(|| malformed("A tensor lies beyond any file's end".into()))?;
        }
        self.size_bytes = begin.saturating_add(next.size_bytes);
        self.tensors.append(&mut next.tensors);
        self.check_tensors(expected)
    }

    /// Checks that no more tensors came than all files of a split model have, and after the last
    /// file no fewer.
    ///
    /// # Errors
    /// `gguf_split`
    pub fn check_tensors(&self, split: Split) -> Result<()> {
        let found = self.tensors.len() as u64;
        let is_last = split.index + 1 == split.count;
        match split.tensors {
            Some(wanted) if found > wanted || (is_last && found < wanted) => Err(wrong(format!(
                "The model's {} files have {found} tensors of {wanted}",
                split.index + 1
            ))),
            _ => Ok(()),
        }
    }
}

/// Makes the error of a split model whose files do not fit together.
pub(crate) fn wrong(what: impl AsRef<str>) -> Error {
    Error::new(
        Code::GgufSplit,
        format!(
            "{}. Give all files of the model in their order, or join them with llama-gguf-split \
             --merge.",
            what.as_ref()
        ),
    )
}
