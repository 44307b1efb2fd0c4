//! The header of a GGUF file says what the file holds, and is refused where it claims too much.

use crate::format::{malformed, metadata::Metadata, quoted};
use crate::quant::DType;
use crate::{Code, Error, Result};
use std::collections::{HashMap, HashSet};

/// A longer header is refused. The limit is many times what the largest vocabulary needs.
pub const MAX_HEADER_BYTES: u64 = 256 << 20;
/// A header with more tensors, or more metadata keys, is refused.
pub const MAX_COUNT: u64 = 100_000;
/// A longer string value is refused: chat templates, the longest strings of a model, are far
/// shorter.
pub const MAX_STRING_BYTES: u64 = 16 << 20;
/// An array of more strings is refused before memory is taken for it: vocabularies have up to
/// 300,000 tokens and twice as many merges.
pub const MAX_STRINGS: usize = 1 << 22;
/// A longer key or tensor name is refused: it is the format's own limit for keys.
pub const MAX_NAME_BYTES: u64 = 65_535;
/// A larger `general.alignment` is refused as damage.
pub const MAX_ALIGNMENT: u64 = 1 << 20;
/// A tensor with more dimensions is refused: it is ggml's own limit.
pub const MAX_DIMS: u32 = 4;
/// The format prescribes this alignment where a file names none.
const DEFAULT_ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";

/// Holds the header of a GGUF file.
#[derive(Clone, Debug, PartialEq)]
pub struct Gguf {
    /// Holds the version of the format, 2 or 3.
    pub version: u32,
    /// Holds the key-value pairs.
    pub metadata: Metadata,
    /// Holds the tensors, in the order of their offsets; no two share a byte or a name.
    pub tensors: Vec<TensorInfo>,
    /// Holds the alignment in bytes: tensor offsets, counted from `data_offset`, are multiples of
    /// it.
    pub alignment: u64,
    /// Holds the offset in the file at which the header, padding included, ends.
    pub data_offset: u64,
    /// Holds the file's least length in bytes: up to the end of the last tensor, or of the header
    /// where there is no tensor.
    pub size_bytes: u64,
}

impl Gguf {
    /// Returns the number of weights of all tensors.
    pub fn parameter_count(&self) -> u64 {
        self.tensors
            .iter()
            .map(TensorInfo::elements)
            .fold(0, u64::saturating_add)
    }

    /// Returns the name of the type that holds most of the weights, such as "Q5_0".
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

/// Holds a tensor's name, type, shape and place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Holds the name, unique in its file.
    pub name: String,
    /// Holds the data type.
    pub dtype: DType,
    /// Holds the shape: at most four dimensions, none of them 0. The first varies fastest, and is a
    /// whole number of `dtype`'s blocks.
    pub dims: Vec<u64>,
    /// Holds the offset of the data in bytes, from the beginning of the file.
    pub offset: u64,
    /// Holds the size of the data in bytes.
    pub size_bytes: u64,
}

impl TensorInfo {
    /// Returns the number of weights in a row: the first dimension, 1 for a scalar.
    pub fn cols(&self) -> u64 {
        self.dims.first().copied().unwrap_or(1)
    }

    /// Returns the number of rows: the product of all dimensions but the first.
    pub fn rows(&self) -> u64 {
        self.dims.iter().skip(1).product()
    }

    /// Returns the number of weights.
    pub fn elements(&self) -> u64 {
        self.dims.iter().product()
    }

    /// Returns the offset in the file at which the data end.
    pub fn end(&self) -> u64 {
        self.offset + self.size_bytes
    }
}

/// Returns the alignment that the metadata asks for, 32 where it names none.
///
/// # Errors
/// `gguf_malformed` when it is no power of two up to [`MAX_ALIGNMENT`].
pub(in crate::format) fn alignment(metadata: &Metadata) -> Result<u64> {
    let alignment = metadata
        .opt_u64(ALIGNMENT_KEY)
        .map_err(|_| malformed(format!("`{ALIGNMENT_KEY}` is no integer")))?;
    let alignment = alignment.unwrap_or(DEFAULT_ALIGNMENT);
    if alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT {
        Ok(alignment)
    } else {
        Err(malformed(format!(
            "`{ALIGNMENT_KEY}` is {alignment}, where only a power of two up to {MAX_ALIGNMENT} \
             makes sense"
        )))
    }
}

/// Returns the size of a tensor in bytes; `None` if it is empty, a row is no whole number of
/// blocks, or the bytes are too many to count.
pub(in crate::format) fn size_bytes(dtype: DType, dims: &[u64]) -> Option<u64> {
    dtype.size_bytes(dims.first().copied().unwrap_or(1))?;
    let elements = dims
        .iter()
        .try_fold(1_u64, |elements, &dim| elements.checked_mul(dim))?;
    dtype.size_bytes(elements).filter(|&bytes| bytes > 0)
}

/// Makes the offsets count from the file's beginning, sorts the tensors by them, and makes sure
/// that no two tensors share a byte or a name.
///
/// # Errors
/// `gguf_malformed` when a tensor ends beyond what a u64 counts or two have one name;
/// `gguf_tensor_overlap` when two share bytes.
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
