//! `siskin inspect`: shows the header of a model file.

use crate::{
    arguments::Arguments,
    files::{model_header, show},
};
use siskin::{Result, format::metadata::Value};
use std::{fmt::Write as _, path::Path};

/// Prints the metadata, the number of tensors of each type and, with `--tensors`, every tensor.
pub fn inspect(arguments: &Arguments) -> Result<()> {
    let gguf = model_header(Path::new(arguments.word(1, "MODEL")?))?;
    // To write to a String cannot fail.
    let mut out = String::new();
    let _ = writeln!(
        out,
        "GGUF version {}, {} tensors, {} bytes",
        gguf.version,
        gguf.tensors.len(),
        gguf.size_bytes
    );
    for (key, value) in gguf.metadata.iter() {
        let text = match value {
            Value::String(text) if text.len() > 100 => {
                format!(
                    "\"{}...\" ({} bytes)",
                    text.chars().take(60).collect::<String>().escape_debug(),
                    text.len()
                )
            }
            Value::Array(array) => format!("{} x {}", array.len(), array.item_type()),
            other => format!("{other:?}"),
        };
        let _ = writeln!(out, "{key} = {text}");
    }
    let mut by_type: Vec<(&str, usize, u64)> = Vec::new();
    for tensor in &gguf.tensors {
        match by_type
            .iter_mut()
            .find(|(name, ..)| *name == tensor.dtype.name())
        {
            Some((_, count, bytes)) => (*count, *bytes) = (*count + 1, *bytes + tensor.size_bytes),
            None => by_type.push((tensor.dtype.name(), 1, tensor.size_bytes)),
        }
    }
    for (name, count, bytes) in by_type {
        let _ = writeln!(out, "{count} tensors of {name}: {bytes} bytes");
    }
    if arguments.option("tensors").is_some() {
        for tensor in &gguf.tensors {
            let _ = writeln!(
                out,
                "{:>12}  {:5}  {:?}  {}",
                tensor.offset,
                tensor.dtype.name(),
                tensor.dims,
                tensor.name
            );
        }
    }
    show(&out)
}
