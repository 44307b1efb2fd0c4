//! GGUF, versions 2 and 3 (little-endian): what a model file holds, read from its header as it arrives.
//!
//! The format is described in `docs/gguf.md` of the ggml project. Nothing is believed before it is checked: counts and lengths are
//! capped before memory is asked for, sums are checked, and tensors lie aligned, apart, and inside what a u64 counts.

use super::header::parse;
use super::input::Input;
use super::metadata::Metadata;
use super::{malformed, quoted};
use crate::quant::DType;
use crate::{Code, Error, Result};
use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What a header may take at most: many times what the largest vocabulary needs.
pub const MAX_HEADER_BYTES: u64 = 256 << 20;
/// Tensors, and metadata keys, at most.
pub const MAX_COUNT: u64 = 100_000;
pub const MAX_STRING_BYTES: u64 = 16 << 20;
/// Keys and tensor names at most (the format's own limit for keys).
pub const MAX_NAME_BYTES: u64 = 65_535;
pub const MAX_ALIGNMENT: u64 = 1 << 20;
pub const MAX_DIMS: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";

/// How much of a chunk is copied at a time.
const PIECE_BYTES: usize = 64 << 10;

/// The header of a GGUF file.
#[derive(Clone, Debug, PartialEq)]
pub struct Gguf {
    /// 2 or 3.
    pub version: u32,
    pub metadata: Metadata,
    /// In the order of their offsets; no two share a byte or a name.
    pub tensors: Vec<TensorInfo>,
    /// What tensor offsets are multiples of, counted from `data_offset`.
    pub alignment: u64,
    /// Where the header, padding included, ends in the file.
    pub data_offset: u64,
    /// How long the file must be at least: up to the end of the last tensor, or of the header where there is none.
    pub size_bytes: u64,
}

impl Gguf {
    /// Weights in all.
    pub fn parameter_count(&self) -> u64 {
        self.tensors
            .iter()
            .map(TensorInfo::elements)
            .fold(0, u64::saturating_add)
    }

    /// The type that holds most of the weights: "Q5_0".
    pub fn file_type(&self) -> &'static str {
        let mut by_type: HashMap<&'static str, u64> = HashMap::new();
        for tensor in &self.tensors {
            let count = by_type.entry(tensor.dtype.name()).or_default();
            *count = count.saturating_add(tensor.elements());
        }
        by_type
            .iter()
            .max_by_key(|(name, count)| (**count, **name))
            .map_or("F32", |(name, _)| name)
    }
}

/// A tensor's name, type, shape and place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    pub name: String,
    pub dtype: DType,
    /// At most four, none of them 0; the first varies fastest. The first is a whole number of `dtype`'s blocks.
    pub dims: Vec<u64>,
    /// From the beginning of the file.
    pub offset: u64,
    pub size_bytes: u64,
}

impl TensorInfo {
    /// Weights in a row: the first dimension, 1 for a scalar.
    pub fn cols(&self) -> u64 {
        self.dims.first().copied().unwrap_or(1)
    }

    /// Rows: all dimensions but the first together.
    pub fn rows(&self) -> u64 {
        self.dims.iter().skip(1).product()
    }

    /// Weights in all.
    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }

    /// Where the tensor ends in the file.
    pub fn end(&self) -> u64 {
        self.offset + self.size_bytes
    }
}

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

/// The alignment that the metadata asks for, 32 where it does not. Errors: `gguf_malformed`.
pub(super) fn alignment(metadata: &Metadata) -> Result<u64> {
    let alignment = metadata
        .opt_u64(ALIGNMENT_KEY)
        .map_err(|_| malformed(format!("`{ALIGNMENT_KEY}` is no integer")))?;
    let alignment = alignment.unwrap_or(DEFAULT_ALIGNMENT);
    if alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT {
        Ok(alignment)
    } else {
        Err(malformed(format!(
            "`{ALIGNMENT_KEY}` is {alignment}, where only a power of two up to {MAX_ALIGNMENT} makes sense"
        )))
    }
}

/// Bytes of a tensor; `None` if it is empty, a row is no whole number of blocks, or they are too many to count.
pub(super) fn size_bytes(dtype: DType, dims: &[u64]) -> Option<u64> {
    dtype.size_bytes(dims.first().copied().unwrap_or(1))?;
    let elements = dims
        .iter()
        .try_fold(1_u64, |elements, &dim| elements.checked_mul(dim))?;
    dtype.size_bytes(elements).filter(|&bytes| bytes > 0)
}

/// Makes the offsets count from the file's beginning, sorts by them, and makes sure that no two tensors share a byte or a name.
pub(super) fn place(tensors: &mut [TensorInfo], data_offset: u64) -> Result<()> {
    let mut names = HashSet::new();
    for tensor in &mut *tensors {
        let offset = tensor
            .offset
            .checked_add(data_offset)
            .filter(|offset| offset.checked_add(tensor.size_bytes).is_some());
        tensor.offset = offset.ok_or_else(|| {
            malformed(format!(
                "The tensor {} lies beyond any file's end",
                quoted(&tensor.name)
            ))
        })?;
        if !names.insert(&*tensor.name) {
            return Err(malformed(format!(
                "The header has two tensors named {}",
                quoted(&tensor.name)
            )));
        }
    }
    tensors.sort_by_key(|tensor| tensor.offset);
    for pair in tensors.windows(2) {
        if let [before, after] = pair
            && before.end() > after.offset
        {
            return Err(Error::new(
                Code::GgufTensorOverlap,
                format!(
                    "The tensors {} and {} share bytes; the file is damaged: download it again.",
                    quoted(&before.name),
                    quoted(&after.name)
                ),
            ));
        }
    }
    Ok(())
}
