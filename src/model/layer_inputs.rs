//! What layers take beside the residual stream: embeddings of the tokens for each layer, with a
//! projection of the usual ones (Gemma 3n's per-layer embeddings).
//!
//! Their table is by far the largest tensor of a model that has it, and a token needs one row of it.
//! So the host keeps it as it is in the file, whatever the backend, and reads the rows.

use super::layer_weights::take;
use crate::{Code, Error, Result, backend::Dims, quant::DType, tensor::Weight};
use std::collections::HashMap;

/// Names the table of the embeddings, of which the host reads rows.
pub const TABLE: &str = "per_layer_token_embd.weight";
const PROJ: &str = "per_layer_model_proj.weight";
const NORM: &str = "per_layer_proj_norm.weight";

/// Lists the tensors that inputs of layers are made of, with their rows and columns.
pub(super) fn expected(dims: &Dims) -> [(&'static str, usize, usize); 3] {
    let inputs = dims.layer_inputs();
    [
        (TABLE, dims.vocab, inputs),
        (PROJ, inputs, dims.embedding),
        (NORM, 1, dims.layer_input),
    ]
}

/// Holds what the inputs of layers are made of.
pub struct LayerInputWeights<Buf> {
    /// Holds the embeddings, `[vocab, layers * input]`.
    pub table: Option<HostTable>,
    /// Projects the usual embeddings, `[layers * input, embedding]`.
    pub proj: Weight<Buf>,
    /// Scales the RMSNorm of what a layer gets of them, `[input]`.
    pub norm: Weight<Buf>,
}

impl<Buf> LayerInputWeights<Buf> {
    /// Takes the weights from those that were loaded.
    pub(super) fn new(loaded: &mut HashMap<String, Weight<Buf>>, table: Option<HostTable>) -> Self {
        Self {
            table,
            proj: take(loaded, PROJ),
            norm: take(loaded, NORM),
        }
    }

    /// Returns the embeddings of tokens times `scale`, `[tokens, layers * input]`.
    pub(super) fn rows(&self, tokens: &[u32], scale: f32) -> Vec<f32> {
        let width = self.proj.rows;
        let mut rows = vec![0.0; tokens.len() * width];
        if let Some(table) = &self.table {
            for (&token, row) in tokens.iter().zip(rows.chunks_exact_mut(width)) {
                table.row(token as usize, row);
                row.iter_mut().for_each(|x| *x *= scale);
            }
        }
        rows
    }
}

/// Holds the bytes of a matrix, as they are in the file.
pub struct HostTable {
    dtype: DType,
    row_bytes: usize,
    bytes: Vec<u8>,
}

impl HostTable {
    /// Makes a table that has no bytes yet.
    ///
    /// # Errors
    ///
    /// `out_of_memory`.
    pub fn new(dtype: DType, rows: usize, row_bytes: usize) -> Result<Self> {
        let (mut bytes, len) = (Vec::new(), rows.checked_mul(row_bytes));
        let is_there = len.is_some_and(|len| bytes.try_reserve_exact(len).is_ok());
        match is_there {
            true => Ok(Self {
                dtype,
                row_bytes,
                bytes,
            }),
            false => Err(Error::new(
                Code::OutOfMemory,
                format!(
                    "There is no memory for the tensor `{TABLE}`. Close other tabs, or choose a \
                     smaller model."
                ),
            )),
        }
    }

    /// Appends rows.
    pub fn push(&mut self, rows: &[u8]) {
        self.bytes.extend_from_slice(rows);
    }

    /// Writes a row to `out`.
    fn row(&self, row: usize, out: &mut [f32]) {
        let bytes = &self.bytes[row * self.row_bytes..][..self.row_bytes];
        self.dtype.dequantize(bytes, out);
    }
}
