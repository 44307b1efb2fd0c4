//! The reader: chunks of a file in, the header out.

use super::header::{Gguf, MAX_HEADER_BYTES};
use super::input::Input;
use super::parse::parse;
use crate::{Code, Error, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How much of a chunk is copied at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Reads a header from chunks of any size, pushed as they come; what was read is not read again.
///
/// ```
/// # use siskin::{format::gguf::GgufReader, Result};
/// # fn example(chunks: impl Iterator<Item = Vec<u8>>) -> Result<()> {
/// let mut reader = GgufReader::new();
/// for chunk in chunks {
///     if let Some(gguf) = reader.push(&chunk)? {
///         println!("{} tensors; {} bytes of the file were header", gguf.tensors.len(), reader.consumed_bytes());
///         break;
///     }
/// }
/// reader.finish()
/// # }
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
    pub fn new() -> Self {
        let input = Rc::new(Input::new(MAX_HEADER_BYTES));
        Self {
            state: State::Reading(Box::pin(parse(input.clone()))),
            input,
        }
    }

    /// Takes the file's next bytes. Gives the header once, as soon as its last byte has come; later bytes are not looked at.
    ///
    /// Errors: `not_gguf`, `html_not_model`, `gguf_version`, `gguf_malformed`, `gguf_tensor_misaligned`, `gguf_tensor_overlap`,
    /// `tensor_type`; after an error, the same one again.
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

    /// Bytes of the file read so far. Once the header is complete, this is where it ends; the padding up to `data_offset` comes next.
    pub fn consumed_bytes(&self) -> u64 {
        self.input.taken_bytes()
    }

    /// To be called when the file has no more bytes. Errors: `gguf_truncated` if the header is not complete, or `push`'s own.
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
