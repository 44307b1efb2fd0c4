//! The writer turns metadata and tensors into the bytes of a GGUF file.

use super::gguf::{MAX_DIMS, alignment, size_bytes};
use super::metadata::{Array, Metadata, Value};
use crate::quant::DType;
use crate::{Code, Error, Result};
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write};

/// Gathers a model and writes it as a GGUF file of version 3.
///
/// ```
/// use siskin::{format::{metadata::Metadata, write::GgufWriter}, quant::DType};
///
/// let mut metadata = Metadata::new();
/// metadata.insert("general.architecture", "llama");
/// let mut writer = GgufWriter::new(metadata)?;
/// let ones = [1.0_f32; 3].map(f32::to_le_bytes);
/// writer.tensor("output_norm.weight", DType::F32, &[3], ones.as_flattened())?;
/// assert!(writer.to_bytes().starts_with(b"GGUF"));
/// # Ok::<(), siskin::Error>(())
/// ```
pub struct GgufWriter<'a> {
    metadata: Metadata,
    alignment: u64,
    tensors: Vec<Tensor<'a>>,
    names: HashSet<String>,
}

struct Tensor<'a> {
    name: String,
    dtype: DType,
    dims: Vec<u64>,
    data: Cow<'a, [u8]>,
}

impl<'a> GgufWriter<'a> {
    /// Makes a writer of a file without tensors, which aligns them as `general.alignment` says, to
    /// 32 bytes where it is absent.
    ///
    /// # Errors
    /// `gguf_malformed` if `general.alignment` is no alignment.
    pub fn new(metadata: Metadata) -> Result<Self> {
        Ok(Self {
            alignment: alignment(&metadata)?,
            metadata,
            tensors: Vec::new(),
            names: HashSet::new(),
        })
    }

    /// Adds a tensor; tensors are stored in the order of the calls. Of `dims`, the first varies
    /// fastest, as in [`TensorInfo::dims`](super::gguf::TensorInfo::dims).
    ///
    /// # Errors
    /// `invalid_argument` if there are more than four dimensions, `data` is not as long as `dims`
    /// and `dtype` say, or the name was given before.
    pub fn tensor(
        &mut self,
        name: impl Into<String>,
        dtype: DType,
        dims: &[u64],
        data: impl Into<Cow<'a, [u8]>>,
    ) -> Result<()> {
        let (name, data) = (name.into(), data.into());
        let invalid = |why: String| {
            Err(Error::new(
                Code::InvalidArgument,
                format!("The tensor `{name}` {why}"),
            ))
        };
        if dims.len() > MAX_DIMS as usize || size_bytes(dtype, dims) != Some(data.len() as u64) {
            return invalid(format!(
                "cannot be {} bytes of {} with the shape {dims:?}; correct one of them.",
                data.len(),
                dtype.name()
            ));
        }
        if !self.names.insert(name.clone()) {
            return invalid("is there already; give each its own name.".into());
        }
        self.tensors.push(Tensor {
            name,
            dtype,
            dims: dims.into(),
            data,
        });
        Ok(())
    }

    /// Returns the whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.header();
        for tensor in &self.tensors {
            out.extend_from_slice(&tensor.data);
            self.pad(&mut out);
        }
        out
    }

    /// Writes the whole file without a second copy of the tensors.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.header())?;
        for tensor in &self.tensors {
            out.write_all(&tensor.data)?;
            let end = tensor.data.len() as u64;
            io::copy(
                &mut io::Read::take(io::repeat(0), end.next_multiple_of(self.alignment) - end),
                out,
            )?;
        }
        Ok(())
    }

    /// Returns everything before the first tensor's data, padding included.
    fn header(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.iter().len() as u64).to_le_bytes());
        for (key, value) in self.metadata.iter() {
            put_string(&mut out, key);
            put_value(&mut out, value);
        }
        let mut offset = 0_u64;
        for tensor in &self.tensors {
            put_string(&mut out, &tensor.name);
            out.extend((tensor.dims.len() as u32).to_le_bytes());
            out.extend(tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()));
            out.extend(tensor.dtype.to_ggml().to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset = (offset + tensor.data.len() as u64).next_multiple_of(self.alignment);
        }
        self.pad(&mut out);
        out
    }

    fn pad(&self, out: &mut Vec<u8>) {
        out.resize(out.len().next_multiple_of(self.alignment as usize), 0);
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    let mut put = |value_type: u32, bytes: &[u8]| {
        out.extend(value_type.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::U8(n) => put(0, &n.to_le_bytes()),
        Value::I8(n) => put(1, &n.to_le_bytes()),
        Value::U16(n) => put(2, &n.to_le_bytes()),
        Value::I16(n) => put(3, &n.to_le_bytes()),
        Value::U32(n) => put(4, &n.to_le_bytes()),
        Value::I32(n) => put(5, &n.to_le_bytes()),
        Value::F32(n) => put(6, &n.to_le_bytes()),
        Value::Bool(flag) => put(7, &[u8::from(*flag)]),
        Value::String(text) => {
            put(8, &[]);
            put_string(out, text);
        }
        Value::Array(array) => {
            put(9, &[]);
            put_array(out, array);
        }
        Value::U64(n) => put(10, &n.to_le_bytes()),
        Value::I64(n) => put(11, &n.to_le_bytes()),
        Value::F64(n) => put(12, &n.to_le_bytes()),
    }
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    let mut head = |item_type: u32| {
        out.extend(item_type.to_le_bytes());
        out.extend((array.len() as u64).to_le_bytes());
    };
    macro_rules! put {
        ($item_type:literal, $items:expr) => {{
            head($item_type);
            out.extend($items.iter().flat_map(|item| item.to_le_bytes()));
        }};
    }
    match array {
        Array::U8(items) => put!(0, items),
        Array::I8(items) => put!(1, items),
        Array::U16(items) => put!(2, items),
        Array::I16(items) => put!(3, items),
        Array::U32(items) => put!(4, items),
        Array::I32(items) => put!(5, items),
        Array::F32(items) => put!(6, items),
        Array::Bool(flags) => {
            head(7);
            out.extend(flags.iter().map(|&flag| u8::from(flag)));
        }
        Array::String(strings) => {
            head(8);
            strings.iter().for_each(|text| put_string(out, text));
        }
        Array::U64(items) => put!(10, items),
        Array::I64(items) => put!(11, items),
        Array::F64(items) => put!(12, items),
    }
}
