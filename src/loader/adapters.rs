//! Adds LoRA adapters to a model that is being loaded.

use super::{
    Loader, State,
    tensors::{Tensors, truncated},
};
use crate::{
    Code, Error, Result,
    backend::Backend,
    format::{
        gguf::{GgufReader, TensorInfo},
        lora::Adapter,
    },
    model::{STEP_TOKENS, weights::unfuse},
    quant::DType,
    tensor::{LowRank, Weight},
};

impl<B: Backend> Loader<B> {
    /// Adds an adapter, whose whole file is given, once the model's last byte was pushed. Adapters
    /// have numbers, from 0 on in the order of the calls, and change nothing until the model is
    /// told to use them ([`Model::use_adapters`](crate::model::Model::use_adapters)). After an
    /// error, every call returns the same error.
    ///
    /// # Errors
    ///
    /// Those of [`GgufReader::push`], of [`Adapter::new`] and of [`Change::read`][read];
    /// `gguf_truncated` for a file that is not whole, `architecture` for a tensor that is no factor
    /// of a product, `gpu_unsupported` where the backend takes no adapters, `out_of_memory`.
    ///
    /// [read]: crate::format::lora::Change::read
    pub fn add_adapter(&mut self, file: &[u8]) -> Result<()> {
        let added = self.read_adapter(file);
        if let Err(error) = &added {
            // Some weights may have changes of it already.
            self.state = State::Failed(error.clone());
        }
        added
    }

    fn read_adapter(&mut self, file: &[u8]) -> Result<()> {
        let mut reader = GgufReader::new();
        let header = reader.push(file)?;
        reader.finish()?;
        let at = file.len() as u64;
        let header = header.ok_or_else(|| truncated(at, None))?;
        if header.size_bytes > at {
            return Err(truncated(at, Some(header.size_bytes)));
        }
        let base = self.headers.gguf()?;
        match (&mut self.state, base) {
            (State::Failed(error), _) => Err(error.clone()),
            (State::Tensors(tensors), Some(base)) => {
                tensors.settle(self.at)?;
                let architecture = &tensors.file.architecture;
                let adapter = Adapter::new(&header, architecture, &base.tensors)?;
                tensors.add_adapter(&adapter, &base.tensors, file)
            }
            _ => Err(truncated(self.at, None)),
        }
    }
}

impl<B: Backend> Tensors<B> {
    /// Gives the weights that were loaded the changes of an adapter, which it has for tensors of
    /// the `base`.
    fn add_adapter(&mut self, adapter: &Adapter, base: &[TensorInfo], file: &[u8]) -> Result<()> {
        let number = self.adapters;
        self.adapters += 1;
        for tensor in base {
            let Some(change) = adapter.change(&tensor.name) else {
                continue;
            };
            if !self.backend.takes_changes(&tensor.name) {
                return Err(Error::new(
                    Code::GpuUnsupported,
                    format!(
                        "The graphics card has no kernel for an adapter of `{}`. Load the model \
                         for the processor, or merge the adapter into it.",
                        tensor.name
                    ),
                ));
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
