//! `siskin convert`: the same model with its matrices in another type. It makes the files that speed is compared on; quality is that of
//! rounding what the file holds, so start from F16 or Q8_0 where quality counts.

use crate::{Arguments, io, read};
use siskin::{
    Code, Error, Result,
    format::{
        gguf::{Gguf, GgufReader, TensorInfo},
        write::GgufWriter,
    },
    quant::DType,
};
use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// Types that a model can be converted to, and their numbers in llama.cpp's `enum llama_ftype`.
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

/// How many weights are unpacked at a time.
const CHUNK_WEIGHTS: usize = 1 << 20;

/// Matrices become `--type`; vectors stay, and so does Q8_0 in the token table and the output matrix, as in llama.cpp's own 4-bit files
/// these keep more bits than the rest. Errors: `invalid_argument`, `io`, `gguf_truncated`, `tensor_not_finite`, and the reader's.
pub fn convert(arguments: &Arguments) -> Result<()> {
    let (from, to) = (
        Path::new(arguments.word(1, "IN")?),
        Path::new(arguments.word(2, "OUT")?),
    );
    let (target, file_type) = target(arguments.option("type"))?;
    let gguf = header(from)?;
    let mut file = File::open(from).map_err(io(from))?;
    let length = file.metadata().map_err(io(from))?.len();
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
        let dtype = wanted(tensor, target);
        file.seek(SeekFrom::Start(tensor.offset))
            .map_err(io(from))?;
        let mut data = Vec::new();
        let mut bytes = Read::by_ref(&mut file).take(tensor.size_bytes);
        if dtype == tensor.dtype {
            bytes.read_to_end(&mut data).map_err(io(from))?;
        } else {
            repack(tensor, dtype, &mut data, |chunk| {
                bytes.read_exact(chunk).map_err(io(from))
            })?;
        }
        writer.tensor(&tensor.name, dtype, &tensor.dims, data)?;
    }
    let unwritable = |error| {
        Error::new(
            Code::Io,
            format!(
                "`{}` cannot be written: {error}. Check its folder and the space left.",
                to.display()
            ),
        )
    };
    let mut out = BufWriter::new(File::create(to).map_err(unwritable)?);
    writer
        .write_to(&mut out)
        .and_then(|()| out.flush())
        .map_err(unwritable)
}

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

/// Errors: `io`, `gguf_truncated`, and the reader's.
pub fn header(path: &Path) -> Result<Gguf> {
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

fn wanted(tensor: &TensorInfo, target: DType) -> DType {
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

/// Appends the tensor as `dtype` to `out`, a chunk of it at a time. Both types' blocks divide a chunk, and the tensor is whole blocks of both.
fn repack(
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
                "The tensor `{}` holds a scale that is not a number; the file is broken: download it again.",
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
