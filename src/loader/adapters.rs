//! Adds LoRA adapters to a model that is being loaded.

use super::tensors::{Tensors, truncated};
use crate::{
    Code, Error, Result,
    backend::Backend,
    format::{
        gguf::{Gguf, GgufReader, TensorInfo},
        lora::Adapter,
    },
    model::{
        STEP_TOKENS,
        unfuse::{is_idle, unfuse},
        weights::is_on_host,
    },
    quant::DType,
    tensor::{LowRank, Weight},
};

/// Holds an adapter that came before its model.
pub(super) struct WaitingAdapter {
    pub(super) header: Gguf,
    pub(super) file: Vec<u8>,
    pub(super) scale: f32,
}

/// Returns the header of an adapter's file, which is whole.
pub(super) fn read_header(file: &[u8]) -> Result<Gguf> {
    let mut reader = GgufReader::new();
    let header = reader.push(file)?;
    reader.finish()?;
    let at = file.len() as u64;
    let header = header.ok_or_else(|| truncated(at, None))?;
    match header.size_bytes > at {
        true => Err(truncated(at, Some(header.size_bytes))),
        false => Ok(header),
    }
}

/// Returns the error of a load for one of an adapter that came before the model. Other codes say
/// that the model's file is wrong, and pages forget what they stored of such a file.
pub(super) fn of_load(error: Error) -> Error {
    match error.code.is_device() || error.code == Code::OutOfMemory {
        true => error,
        false => Error::new(Code::InvalidArgument, error.message),
    }
}

/// Returns the bytes that the numbers of these adapters take as floats.
pub(super) fn adapters_bytes(adapters: &[WaitingAdapter]) -> u64 {
    let tensors = adapters.iter().flat_map(|it| &it.header.tensors);
    let elements = tensors.fold(0u64, |sum, it| sum.saturating_add(it.elements()));
    elements.saturating_mul(size_of::<f32>() as u64)
}

impl<B: Backend> Tensors<B> {
    /// Checks adapters that came before the model, all of whose tensors are known now.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, `gpu_unsupported`.
    pub(super) fn check_adapters(
        &self,
        adapters: &[WaitingAdapter],
        base: &[TensorInfo],
    ) -> Result<()> {
        let mut adapters = adapters.iter();
        let checked = adapters.try_for_each(|it| self.check_adapter(&it.header, base).map(drop));
        checked.map_err(of_load)
    }

    pub(super) fn check_adapter(&self, header: &Gguf, base: &[TensorInfo]) -> Result<Adapter> {
        if self.config.encoder.is_some() {
            return Err(Error::new(
                Code::Architecture,
                "The model is an encoder, which takes no adapters. Merge the adapter into it.",
            ));
        }
        let adapter = Adapter::new(header, &self.file.architecture, base)?;
        let is_read = |it: &&TensorInfo| adapter.change(&it.name).is_some() && is_on_host(&it.name);
        if let Some(tensor) = base.iter().find(is_read) {
            return Err(no_factor(&tensor.name));
        }
        let is_refused = |tensor: &&TensorInfo| {
            adapter.change(&tensor.name).is_some() && !self.backend.takes_changes(&tensor.name)
        };
        match base.iter().find(is_refused) {
            None => Ok(adapter),
            Some(tensor) => Err(Error::new(
                Code::GpuUnsupported,
                format!(
                    "The graphics card has no kernel for an adapter of `{}`. Load the model for \
                     the processor, or merge the adapter into it.",
                    tensor.name
                ),
            )),
        }
    }

    /// Gives the weights that were loaded the changes of an adapter, which it has for tensors of
    /// the `base`.
    pub(super) fn add_adapter(
        &mut self,
        adapter: &Adapter,
        base: &[TensorInfo],
        file: &[u8],
        scale: f32,
    ) -> Result<()> {
        let number = self.adapter_scales.len();
        self.adapter_scales.push(scale);
        for tensor in base {
            let Some(change) = adapter.change(&tensor.name) else {
                continue;
            };
            // No layer reads these, with an adapter or without.
            if is_idle(&self.config, &tensor.name) {
                continue;
            }
            let delta = change.read(1.0, |half| {
                Ok(file[half.offset as usize..][..half.size_bytes as usize].to_vec())
            })?;
            let (rank, dims) = (delta.rank, &self.config.dims);
            let padded = self.backend.adapter_rank(dims, STEP_TOKENS, rank)?;
            let right = [
                &delta.right[..],
                &vec![0.0; (padded - rank) * delta.cols][..],
            ]
            .concat();
            let mut left = Vec::new();
            for row in delta.left.chunks_exact(rank) {
                left.extend_from_slice(row);
                left.resize(left.len() + padded - rank, 0.0);
            }
            let mut left = &left[..];
            for part in unfuse(&self.config, tensor) {
                let rows = part.rows() as usize;
                let (of_part, rest) = left.split_at(rows * padded);
                left = rest;
                let backend = &mut self.backend;
                let weight = self.loaded.get_mut(&part.name);
                let weight = weight
                    .filter(|weight| weight.rows > 1)
                    .ok_or_else(|| no_factor(&tensor.name))?;
                weight.changes.push(LowRank {
                    adapter: number,
                    left: floats(backend, rows, padded, of_part)?,
                    right: floats(backend, padded, delta.cols, &right)?,
                    is_lookup: change.is_lookup(),
                });
            }
        }
        Ok(())
    }
}

/// Returns the error for a tensor that an adapter changes, but which is read in another way.
fn no_factor(name: &str) -> Error {
    Error::new(
        Code::Architecture,
        format!(
            "The adapter changes the tensor `{name}`, which is no matrix of a product. Merge the \
             adapter into the model."
        ),
    )
}

/// Makes a weight of floats.
fn floats<B: Backend>(
    backend: &mut B,
    rows: usize,
    cols: usize,
    values: &[f32],
) -> Result<Weight<B::Buf>> {
    let mut weight = backend.alloc(DType::F32, rows, cols)?;
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    backend.write(&mut weight, 0, &bytes);
    Ok(weight)
}
