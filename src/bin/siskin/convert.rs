//! `siskin convert`: writes the same model with its matrices in another type.
//!
//! The command makes the files that speed is compared on. Its quality is that of rounding what the
//! file holds, so start from F16 or Q8_0 where quality counts.

use crate::{
    arguments::Arguments,
    files::{WholeFile, write},
};
use siskin::{
    Code, Error, Result,
    format::{gguf::TensorInfo, write::GgufWriter},
    quant::DType,
};
use std::path::Path;

/// Lists the types that a model can be converted to, with their numbers in llama.cpp's
/// `llama_ftype`.
const TARGETS: [(DType, u32); 8] = [
    (DType::F32, 0),
    (DType::F16, 1),
    (DType::BF16, 32),
    (DType::Q4_0, 2),
    (DType::Q4_1, 3),
    (DType::Q5_0, 8),
    (DType::Q5_1, 9),
    (DType::Q8_0, 7),
];

/// Sets how many weights are dequantized at a time, a multiple of every block length.
const CHUNK_WEIGHTS: usize = 1 << 20;

/// Writes the model at IN to OUT with its matrices in the type of `--type`.
///
/// Vectors keep their type. Token embeddings and output matrix keep Q8_0, because in llama.cpp's
/// own 4-bit files these two have more bits than the rest.
///
/// # Errors
///
/// `invalid_argument`, `io`, `gguf_truncated`, `tensor_not_finite`, `tensor_type`, and those of the
/// reader.
pub fn convert(arguments: &Arguments) -> Result<()> {
    let (from, to) = (
        Path::new(arguments.word(1, "IN")?),
        Path::new(arguments.word(2, "OUT")?),
    );
    let (target, file_type) = target(arguments.option("type"))?;
    let source = WholeFile::open(from)?;
    let mut metadata = source.gguf.metadata.clone();
    metadata.insert("general.file_type", file_type);
    let mut writer = GgufWriter::new(metadata)?;
    for tensor in &source.gguf.tensors {
        check_factor(tensor, &source.gguf.tensors)?;
        let (dtype, data) = (output_type(tensor, target), source.tensor(tensor)?);
        let data = match dtype == tensor.dtype {
            true => data,
            false => requantize(tensor, &data, dtype, |_, _| {})?,
        };
        writer.tensor(&tensor.name, dtype, &tensor.dims, data)?;
    }
    write(to, |out| writer.write_to(out))
}

/// Returns the type called `name`, and its `llama_ftype`.
fn target(name: Option<&str>) -> Result<(DType, u32)> {
    let name = name.unwrap_or("Q4_0");
    TARGETS
        .into_iter()
        .find(|(dtype, _)| dtype.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let names = TARGETS.map(|(dtype, _)| dtype.name()).join(", ");
            Error::new(
                Code::InvalidArgument,
                format!("There is no converting to \"{name}\". --type takes {names}."),
            )
        })
}

/// Returns the type that `tensor` is written in.
fn output_type(tensor: &TensorInfo, target: DType) -> DType {
    let is_matrix =
        tensor.dims.len() > 1 && tensor.cols().is_multiple_of(target.block_len() as u64);
    let keeps = tensor.dtype == DType::Q8_0
        && ["token_embd.weight", "output.weight"].contains(&tensor.name.as_str());
    if is_matrix && !keeps {
        target
    } else {
        tensor.dtype
    }
}

/// Checks that no factor (`*.scale`) stands beside a tensor of NVFP4: in another type it would be
/// lost.
///
/// # Errors
///
/// `tensor_type`.
pub fn check_factor(tensor: &TensorInfo, tensors: &[TensorInfo]) -> Result<()> {
    let stem = tensor.name.strip_suffix(".weight");
    let is_factor = |other: &TensorInfo| other.name.strip_suffix(".scale") == stem;
    if tensor.dtype != DType::NVFP4 || stem.is_none() || !tensors.iter().any(is_factor) {
        return Ok(());
    }
    Err(Error::new(
        Code::TensorType,
        format!(
            "The NVFP4 tensor `{}` has a factor beside it, which another type has no place for. \
             Take a conversion of the model in another type.",
            tensor.name
        ),
    ))
}

/// Returns a tensor's data in another type. Before, `change` gets its weights, a chunk at a time,
/// with the number of the first of them. A chunk, like the tensor, is a whole number of blocks of
/// both types.
///
/// # Errors
///
/// `tensor_not_finite`, `tensor_type`.
pub fn requantize(
    tensor: &TensorInfo,
    data: &[u8],
    dtype: DType,
    change: impl Fn(usize, &mut [f32]),
) -> Result<Vec<u8>> {
    let (mut out, mut weights, mut first) = (Vec::new(), Vec::new(), 0);
    let chunk_bytes = CHUNK_WEIGHTS / tensor.dtype.block_len() * tensor.dtype.block_bytes();
    for bytes in data.chunks(chunk_bytes) {
        if !tensor.dtype.scales_are_finite(bytes) {
            let message = format!(
                "The tensor `{}` holds a scale that is not a number; the file is broken: download \
                 it again.",
                tensor.name
            );
            return Err(Error::new(Code::TensorNotFinite, message));
        }
        let count = bytes.len() / tensor.dtype.block_bytes() * tensor.dtype.block_len();
        weights.resize(count, 0.0);
        tensor.dtype.dequantize(bytes, &mut weights);
        change(first, &mut weights);
        dtype.quantize(&weights, &mut out).ok_or_else(|| {
            Error::new(
                Code::TensorType,
                format!(
                    "The tensor `{}` does not fit {}: choose another --type.",
                    tensor.name,
                    dtype.name()
                ),
            )
        })?;
        first += count;
    }
    Ok(out)
}
