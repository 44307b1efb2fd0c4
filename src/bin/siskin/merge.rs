//! `siskin merge`: writes a model with a LoRA adapter in its weights.

use crate::{
    arguments::Arguments,
    convert::{check_factor, requantize},
    files::{WholeFile, show, write},
};
use siskin::{
    Code, Error, Result,
    format::{
        lora::{Adapter, TOKEN_EMBEDDINGS},
        write::GgufWriter,
    },
    quant::DType,
};
use std::path::Path;

/// Names the matrix that stands for the embeddings where logits are computed.
const OUTPUT: &str = "output.weight";

/// Writes the model MODEL to OUT as ADAPTER changes it, at the strength of `--scale`.
///
/// A tensor that the adapter changes keeps its type if that is a float type. Else it becomes F16,
/// for blocks of few bits would round most of the change away. A model whose output matrix is its
/// token embeddings gets one of its own if the adapter changes these, because an adapter for what
/// is looked up is trained with the output as it was.
///
/// # Errors
///
/// `invalid_argument`, `io`, `tensor_not_finite`, and those of the reader and of [`Adapter::new`].
pub fn merge(arguments: &Arguments) -> Result<()> {
    let (model, adapter, to) = (
        Path::new(arguments.word(1, "MODEL")?),
        Path::new(arguments.word(2, "ADAPTER")?),
        Path::new(arguments.word(3, "OUT")?),
    );
    let scale = arguments.number("scale")?.unwrap_or(1.0_f32);
    if !scale.is_finite() {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("--scale is {scale}. Give a number, such as 1 or 0.5."),
        ));
    }
    let (model, file) = (WholeFile::open(model)?, WholeFile::open(adapter)?);
    let tensors = &model.gguf.tensors;
    let architecture = model.gguf.metadata.str("general.architecture")?;
    let adapter = Adapter::new(&file.gguf, architecture, tensors)?;
    let is_tied = tensors.iter().all(|tensor| tensor.name != OUTPUT);
    let mut writer = GgufWriter::new(model.gguf.metadata.clone())?;
    let mut widened = 0;
    for tensor in tensors {
        let data = model.tensor(tensor)?;
        let Some(change) = adapter.change(&tensor.name) else {
            writer.tensor(&tensor.name, tensor.dtype, &tensor.dims, data)?;
            continue;
        };
        check_factor(tensor, tensors)?;
        let delta = change.read(scale, |half| file.tensor(half))?;
        let dtype = match tensor.dtype {
            DType::F32 | DType::F16 | DType::BF16 => tensor.dtype,
            _ => DType::F16,
        };
        let changed = requantize(tensor, &data, dtype, |first, weights| {
            delta.add_to(first, weights);
        })?;
        if !dtype.scales_are_finite(&changed) {
            return Err(Error::new(
                Code::TensorNotFinite,
                format!(
                    "With the adapter in it, the tensor `{}` holds numbers that {} cannot. Give a \
                     smaller --scale.",
                    tensor.name,
                    dtype.name()
                ),
            ));
        }
        widened += usize::from(dtype != tensor.dtype);
        if is_tied && tensor.name == TOKEN_EMBEDDINGS {
            writer.tensor(OUTPUT, tensor.dtype, &tensor.dims, data)?;
        }
        writer.tensor(&tensor.name, dtype, &tensor.dims, changed)?;
    }
    write(to, |out| writer.write_to(out))?;
    show(&format!(
        "{} of {} tensors changed, {widened} of them F16 now\n",
        adapter.len(),
        tensors.len()
    ))
}
