//! `siskin convert`: writes the same model with its matrices in another type.
//!
//! The command makes the files that speed is compared on. Its quality is that of rounding what the
//! file holds, so start from F16 or Q8_0 where quality counts.

use crate::{
    arguments::Arguments,
    files::{unreadable, whole_header, write},
};
use siskin::{
    Code, Error, Result,
    format::{gguf::TensorInfo, write::GgufWriter},
    quant::DType,
};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

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
    let gguf = whole_header(from)?;
    let mut file = File::open(from).map_err(unreadable(from))?;
    let length = file.metadata().map_err(unreadable(from))?.len();
    if length < gguf.size_bytes {
        let message = format!(
            "`{}` has {length} bytes of {}: download it again.",
            from.display(),
            gguf.size_bytes
        );
        return Err(Error::new(Code::GgufTruncated, message));
    }
    let mut metadata = gguf.metadata.clone();
    metadata.insert("general.file_type", file_type);
    let mut writer = GgufWriter::new(metadata)?;
    for tensor in &gguf.tensors {
        let dtype = output_type(tensor, target);
        file.seek(SeekFrom::Start(tensor.offset))
            .map_err(unreadable(from))?;
        let mut data = Vec::new();
        let mut bytes = Read::by_ref(&mut file).take(tensor.size_bytes);
        if dtype == tensor.dtype {
            bytes.read_to_end(&mut data).map_err(unreadable(from))?;
        } else {
            requantize(tensor, dtype, &mut data, |chunk| {
                bytes.read_exact(chunk).map_err(unreadable(from))
            })?;
        }
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

/// Quantizes the tensor to `dtype` and appends it to `out`, a chunk at a time. A chunk, like the
/// tensor, is a whole number of blocks of both types. `next` fills a slice with the tensor's next
/// bytes.
fn requantize(
    tensor: &TensorInfo,
    dtype: DType,
    out: &mut Vec<u8>,
    mut next: impl FnMut(&mut [u8]) -> Result<()>,
) -> Result<()> {
    let mut left = tensor.elements();
    let (mut bytes, mut weights) = (Vec::new(), Vec::new());
    while left > 0 {
        let count = left.min(CHUNK_WEIGHTS as u64) as usize;
        bytes.resize(
            count / tensor.dtype.block_len() * tensor.dtype.block_bytes(),
            0,
        );
        next(&mut bytes)?;
        if !tensor.dtype.scales_are_finite(&bytes) {
            let message = format!(
                "The tensor `{}` holds a scale that is not a number; the file is broken: download \
                 it again.",
                tensor.name
            );
            return Err(Error::new(Code::TensorNotFinite, message));
        }
        weights.resize(count, 0.0);
        tensor.dtype.dequantize(&bytes, &mut weights);
        dtype.quantize(&weights, out).ok_or_else(|| {
            Error::new(
                Code::TensorType,
                format!(
                    "The tensor `{}` does not fit {}: choose another --type.",
                    tensor.name,
                    dtype.name()
                ),
            )
        })?;
        left -= count as u64;
    }
    Ok(())
}
