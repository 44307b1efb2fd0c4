//! Reads the header of a model's file, and of a split model each file's, which come one after the
//! other.

use crate::{
    Code, Result,
    format::gguf::{Gguf, GgufReader, Split, wrong_split},
};

/// Names the tensor whose rows are the vocabulary, without which a model has no config.
const EMBEDDINGS: &str = "token_embd.weight";

/// Holds what the headers say that have come.
#[derive(Default)]
pub(super) struct Headers {
    /// Reads the next header; `None` while a file's tensors come.
    reader: Option<GgufReader>,
    /// Holds the position at which the file begins whose header is read.
    begin: u64,
    /// Holds what all headers so far say; offsets count from the first file's beginning.
    gguf: Option<Gguf>,
    /// Tells which file of a split model came last.
    split: Option<Split>,
}

impl Headers {
    /// Waits for the first header.
    pub(super) fn new() -> Self {
        Self {
            reader: Some(GgufReader::new()),
            ..Self::default()
        }
    }

    /// Takes the bytes from position `at` on. Returns the number of tensors that are known already,
    /// once a header is complete.
    ///
    /// # Errors
    ///
    /// Those of [`GgufReader::push`], and `gguf_split`.
    pub(super) fn push(&mut self, at: u64, mut chunk: &[u8]) -> Result<Option<usize>> {
        let Some(reader) = &mut self.reader else {
            return Ok(None);
        };
        if self.split.is_some() && reader.consumed_bytes() == 0 {
            // Behind its last tensor a file is filled with zeros, up to its alignment.
            let zeros = chunk.iter().take_while(|&&byte| byte == 0).count();
            self.begin = at + zeros as u64;
            chunk = &chunk[zeros..];
        }
        let pushed = reader.push(chunk);
        let Some(header) = pushed.map_err(|error| match (error.code, self.split) {
            (Code::NotGguf, Some(split)) => wrong_split(format!(
                "Behind file {} of {} comes what is no GGUF file",
                split.index + 1,
                split.count
            )),
            _ => error,
        })?
        else {
            return Ok(None);
        };
        self.reader = None;
        match (&mut self.gguf, &mut self.split) {
            (Some(gguf), Some(split)) => {
                split.index += 1;
                let known = gguf.tensors.len();
                gguf.append(*split, header, self.begin)?;
                Ok(Some(known))
            }
            _ => {
                self.begin_model(header)?;
                Ok(Some(0))
            }
        }
    }

    /// Takes the first header.
    fn begin_model(&mut self, header: Gguf) -> Result<()> {
        self.split = header.split()?;
        if let Some(split) = self.split {
            if split.index > 0 {
                return Err(wrong_split(format!(
                    "This is file {} of a model that is split into {}",
                    split.index + 1,
                    split.count
                )));
            }
            header.check_tensors(split)?;
        }
        self.gguf = Some(header);
        Ok(())
    }

    /// Returns what all headers so far say, once a model's config can be read of it.
    ///
    /// # Errors
    ///
    /// `gguf_split` where the config would come behind a tensor.
    pub(super) fn gguf(&self) -> Result<Option<&Gguf>> {
        let Some(gguf) = &self.gguf else {
            return Ok(None);
        };
        let has_embeddings = || gguf.tensors.iter().any(|tensor| tensor.name == EMBEDDINGS);
        if self.is_last() || has_embeddings() {
            return Ok(Some(gguf));
        }
        // The first file may hold metadata only.
        match gguf.tensors.is_empty() {
            true => Ok(None),
            false => Err(wrong_split(format!(
                "The model's first file has tensors, but not `{EMBEDDINGS}`"
            ))),
        }
    }

    /// Gives back the metadata's memory: a vocabulary is large.
    pub(super) fn forget_metadata(&mut self) {
        if let Some(gguf) = &mut self.gguf {
            gguf.metadata = Default::default();
        }
    }

    /// Returns whether the header of the model's last file has come.
    pub(super) fn is_last(&self) -> bool {
        self.gguf.is_some()
            && self
                .split
                .is_none_or(|split| split.index + 1 == split.count)
    }

    /// Waits for the next file's header if a byte before `end` is behind the tensors of the last
    /// file. Returns that byte's position.
    pub(super) fn next_file(&mut self, end: u64) -> Option<u64> {
        let begin = self.gguf.as_ref()?.size_bytes;
        if self.reader.is_some() || self.is_last() || begin >= end {
            return None;
        }
        self.reader = Some(GgufReader::new());
        Some(begin)
    }

    /// Checks that all headers have come, where the last byte has.
    ///
    /// # Errors
    ///
    /// `gguf_truncated`, `gguf_split`.
    pub(super) fn finish(&self) -> Result<()> {
        match (&self.reader, self.split) {
            (Some(reader), None) => reader.finish(),
            (Some(reader), _) if reader.consumed_bytes() > 0 => reader.finish(),
            (_, Some(split)) if !self.is_last() => Err(wrong_split(format!(
                "Only {} of the model's {} files came",
                split.index + 1,
                split.count
            ))),
            _ => Ok(()),
        }
    }
}
