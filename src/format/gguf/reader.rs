//! The reader takes chunks of a file and returns its header.

use super::header::{Gguf, MAX_HEADER_BYTES};
use super::input::Input;
use super::parse::parse;
use crate::{Code, Error, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A chunk is copied in pieces of this size, so that little is copied of the data behind the
/// header.
const PIECE_BYTES: usize = 64 << 10;

/// Reads a header from chunks of any size, pushed as they come; what was read is not read again.
///
/// ```
/// use siskin::format::gguf::GgufReader;
/// # use siskin::{format::{metadata::Metadata, write::GgufWriter}, quant::DType};
/// # let mut metadata = Metadata::new();
/// # metadata.insert("general.architecture", "llama");
/// # let mut writer = GgufWriter::new(metadata)?;
/// # writer.tensor("output_norm.weight", DType::F32, &[3], vec![0; 12])?;
/// # let file = writer.to_bytes();
///
/// let mut reader = GgufReader::new();
/// let mut header = None;
/// for chunk in file.chunks(100) {
///     header = reader.push(chunk)?;
///     if header.is_some() {
///         break;
///     }
/// }
/// reader.finish()?;
/// let gguf = header.expect("a reader that finishes has returned its header");
/// assert_eq!(gguf.metadata.str("general.architecture")?, "llama");
/// assert_eq!(gguf.tensors[0].name, "output_norm.weight");
/// # Ok::<(), siskin::Error>(())
/// ```
pub struct GgufReader {
    input: Rc<Input>,
    state: State,
}

enum State {
    Reading(Pin<Box<dyn Future<Output = Result<Gguf>>>>),
    Done,
    Failed(Error),
}

impl Default for GgufReader {
    fn default() -> Self {
        Self::new()
    }
}

impl GgufReader {
    /// Makes a reader that stands at the beginning of a file.
    pub fn new() -> Self {
        let input = Rc::new(Input::new(MAX_HEADER_BYTES));
        Self {
            state: State::Reading(Box::pin(parse(input.clone()))),
            input,
        }
    }

    /// Takes the file's next bytes. Returns the header once, as soon as its last byte has come;
    /// later bytes are not looked at.
    ///
    /// # Errors
    /// `not_gguf`, `html_not_model`, `gguf_version`, `gguf_malformed`, `gguf_tensor_misaligned`,
    /// `gguf_tensor_overlap` and `tensor_type`. After an error, every call returns that error
    /// again.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Option<Gguf>> {
        let parser = match &mut self.state {
            State::Reading(parser) => parser,
            State::Done => return Ok(None),
            State::Failed(error) => return Err(error.clone()),
        };
        for piece in chunk.chunks(PIECE_BYTES) {
            self.input.refill(piece);
            if let Poll::Ready(outcome) = parser
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                self.state = match &outcome {
                    Ok(_) => State::Done,
                    Err(error) => State::Failed(error.clone()),
                };
                return outcome.map(Some);
            }
        }
        Ok(None)
    }

    /// Returns the number of bytes read so far. Once the header is complete, it ends there; the
    /// padding up to `data_offset` comes next.
    pub fn consumed_bytes(&self) -> u64 {
        self.input.taken_bytes()
    }

    /// Tells the reader that the file has no more bytes.
    ///
    /// # Errors
    /// `gguf_truncated` if the header is not complete; the error of [`GgufReader::push`] if there
    /// was one.
    pub fn finish(&self) -> Result<()> {
        match &self.state {
            State::Done => Ok(()),
            State::Failed(error) => Err(error.clone()),
            State::Reading(_) => Err(Error::new(
                Code::GgufTruncated,
                format!(
                    "The file ends after {} bytes, inside its header; download it again.",
                    self.consumed_bytes()
                ),
            )),
        }
    }
}
