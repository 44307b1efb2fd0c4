//! The header of a GGUF file: what it holds, and what it must not claim.

use crate::format::{malformed, metadata::Metadata, quoted};
use crate::quant::DType;
use crate::{Code, Error, Result};
use std::collections::{HashMap, HashSet};

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

/// The alignment that the metadata asks for, 32 where it does not. Errors: `gguf_malformed`.
pub(in crate::format) fn alignment(metadata: &Metadata) -> Result<u64> {
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
pub(in crate::format) fn size_bytes(dtype: DType, dims: &[u64]) -> Option<u64> {
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
