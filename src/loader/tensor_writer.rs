//! Writes the bytes of one tensor to the backend, a group of rows at a time.

use crate::{
    Code, Error, Result,
    backend::{Backend, GROUP_ROWS},
    format::gguf::TensorInfo,
    model::{
        layer_inputs::{HostTable, TABLE},
        tensor_selection::factor_of,
        weights::is_on_host,
    },
    quant::DType,
    tensor::Weight,
};

/// Holds a tensor that is being read.
pub(super) struct TensorWriter<Buf> {
    tensor: LoadedTensor<Buf>,
    dtype: DType,
    rows: usize,
    rows_written: usize,
    row_bytes: usize,
    /// Holds the beginning of a group of rows whose end has not been read.
    partial_group: Vec<u8>,
}

/// Tells where the values of a tensor go.
pub(super) enum LoadedTensor<Buf> {
    /// Holds a weight of the backend.
    Weight(Weight<Buf>),
    /// Holds what no backend keeps: divisors of the RoPE frequencies, or a factor of a weight or
    /// layer.
    OnHost(Vec<f32>),
    /// Holds a table of which the host reads rows.
    Table(HostTable),
}

impl<Buf> TensorWriter<Buf> {
    /// Allocates the tensor.
    ///
    /// # Errors
    ///
    /// `out_of_memory`, and those of the GPU.
    pub(super) fn new<B: Backend<Buf = Buf>>(backend: &mut B, info: &TensorInfo) -> Result<Self> {
        // Both numbers are equal to dims of the config, which are usize.
        let (rows, cols) = (info.rows() as usize, info.cols() as usize);
        let row_bytes = cols / info.dtype.block_len() * info.dtype.block_bytes();
        let tensor = match info.name.as_str() {
            TABLE => LoadedTensor::Table(HostTable::new(info.dtype, rows, row_bytes)?),
            name if is_on_host(name) || factor_of(name).is_some() => {
                LoadedTensor::OnHost(vec![0.0; cols])
            }
            _ => LoadedTensor::Weight(backend.alloc(info.dtype, rows, cols)?),
        };
        Ok(Self {
            tensor,
            rows,
            dtype: info.dtype,
            rows_written: 0,
            row_bytes,
            partial_group: Vec::new(),
        })
    }

    /// Takes the tensor's next bytes. `name` is for the message of an error.
    ///
    /// # Errors
    ///
    /// `tensor_not_finite`.
    pub(super) fn push<B: Backend<Buf = Buf>>(
        &mut self,
        backend: &mut B,
        name: &str,
        mut bytes: &[u8],
    ) -> Result<()> {
        if !self.partial_group.is_empty() {
            let group_bytes = self.next_group_bytes();
            let missing = (group_bytes - self.partial_group.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(missing);
            self.partial_group.extend_from_slice(head);
            bytes = rest;
            if self.partial_group.len() < group_bytes {
                return Ok(());
            }
            let group = std::mem::take(&mut self.partial_group);
            self.write(backend, name, &group)?;
        }
        let group_bytes = GROUP_ROWS * self.row_bytes;
        let bytes_left = (self.rows - self.rows_written) * self.row_bytes;
        let whole = if bytes.len() == bytes_left {
            bytes.len()
        } else {
            bytes.len() / group_bytes * group_bytes
        };
        let (whole_groups, rest) = bytes.split_at(whole);
        self.write(backend, name, whole_groups)?;
        self.partial_group.extend_from_slice(rest);
        Ok(())
    }

    /// Returns the tensor once all of its bytes were pushed.
    pub(super) fn finish(self) -> LoadedTensor<Buf> {
        self.tensor
    }

    /// Returns the bytes of the next group of rows. The last group of a tensor may be short.
    fn next_group_bytes(&self) -> usize {
        GROUP_ROWS.min(self.rows - self.rows_written) * self.row_bytes
    }

    /// Writes whole groups of rows.
    fn write<B: Backend<Buf = Buf>>(
        &mut self,
        backend: &mut B,
        name: &str,
        rows: &[u8],
    ) -> Result<()> {
        if !self.dtype.scales_are_finite(rows) {
            return Err(Error::new(
                Code::TensorNotFinite,
                format!(
                    "The tensor `{name}` holds a number that is not finite. The file is broken: \
                     download it again."
                ),
            ));
        }
        match &mut self.tensor {
            LoadedTensor::Weight(weight) => backend.write(weight, self.rows_written, rows),
            LoadedTensor::OnHost(values) if !rows.is_empty() => {
                self.dtype.dequantize(rows, values);
            }
            LoadedTensor::OnHost(_) => {}
            LoadedTensor::Table(table) => table.push(rows),
        }
        self.rows_written += rows.len() / self.row_bytes;
        Ok(())
    }
}
