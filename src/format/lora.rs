//! LoRA adapters change large matrices of a model by small ones.
//!
//! To a matrix `W [rows, cols]` an adapter adds `scale * alpha / rank * B A`, with `A [rank, cols]`
//! and `B [rows, rank]`. Its GGUF file is laid out as llama.cpp's `convert_lora_to_gguf.py` writes
//! it and `llama-adapter.cpp` reads it: `NAME.lora_a` and `NAME.lora_b` for the model's tensor
//! `NAME`. Token embeddings are looked up and not multiplied, so theirs are `[rows, rank]` and
//! `[cols, rank]`.

use super::{
    gguf::{Gguf, TensorInfo},
    metadata::Metadata,
    quoted,
};
use crate::{Code, Error, Result};
use std::collections::{BTreeMap, HashMap};

/// Names the tensor whose two matrices are laid out otherwise.
pub const TOKEN_EMBEDDINGS: &str = "token_embd.weight";
/// Tells adapters that change only what comes behind certain tokens (activated LoRA).
const INVOCATION_KEY: &str = "adapter.alora.invocation_tokens";

/// Holds what the header of an adapter's file says, which fits the model that it is for.
#[derive(Clone, Debug)]
pub struct Adapter {
    changes: BTreeMap<String, Change>,
}

/// Tells how an adapter changes one matrix.
#[derive(Clone, Debug)]
pub struct Change {
    /// Holds a row for each row of the matrix, `[rows, rank]`.
    left: TensorInfo,
    /// Holds the rows that are mixed to change one, `[rank, cols]`; `[cols, rank]` if
    /// `is_lookup`.
    right: TensorInfo,
    is_lookup: bool,
    cols: usize,
    rank: usize,
    /// Holds what the scale that is asked for is multiplied by.
    factor: f32,
}

/// Holds the numbers that an adapter adds to one matrix, as a product of two small ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    /// Counts the columns of the matrix.
    pub cols: usize,
    /// Holds the rank.
    pub rank: usize,
    /// Holds `[rows, rank]`, with the scale in it.
    pub left: Vec<f32>,
    /// Holds `[rank, cols]`.
    pub right: Vec<f32>,
}

impl Adapter {
    /// Reads an adapter for a model that has this architecture and these tensors.
    ///
    /// # Errors
    /// - `invalid_argument` for a file that is no LoRA adapter, or one for another architecture.
    /// - `architecture` for an activated LoRA, and for a tensor that is no half of a change.
    /// - `metadata` if the architecture is missing, or a value is of another type.
    /// - `tensor_missing` if there are no changes, half of one is missing, or the model lacks the
    ///   tensor.
    /// - `tensor_shape` if the matrices fit neither each other nor that tensor.
    pub fn new(header: &Gguf, architecture: &str, tensors: &[TensorInfo]) -> Result<Self> {
        let alpha = check_kind(&header.metadata, architecture)?;
        let mut halves: BTreeMap<&str, [Option<&TensorInfo>; 2]> = BTreeMap::new();
        for tensor in &header.tensors {
            let (name, half) = match tensor.name.rsplit_once('.') {
                Some((name, "lora_a")) => (name, 0),
                Some((name, "lora_b")) => (name, 1),
                _ => return Err(no_half(&tensor.name)),
            };
            halves.entry(name).or_default()[half] = Some(tensor);
        }
        if halves.is_empty() {
            return Err(Error::new(
                Code::TensorMissing,
                "The adapter has no tensors, so it changes nothing. Choose another adapter.",
            ));
        }
        let of_base = tensors.iter().map(|tensor| (&*tensor.name, tensor));
        let of_base: HashMap<&str, &TensorInfo> = of_base.collect();
        let change = |(name, halves): (&str, [Option<&TensorInfo>; 2])| {
            let [Some(a), Some(b)] = halves else {
                return Err(Error::new(
                    Code::TensorMissing,
                    format!(
                        "The adapter has only one of the two matrices that change {}. It is \
                         broken: choose another conversion of the adapter.",
                        quoted(name)
                    ),
                ));
            };
            let tensor = of_base.get(name).ok_or_else(|| {
                Error::new(
                    Code::TensorMissing,
                    format!(
                        "The model has no tensor {}, which the adapter changes. Choose the model \
                         that the adapter was made for.",
                        quoted(name)
                    ),
                )
            })?;
            Ok((name.to_owned(), Change::new(tensor, a, b, alpha)?))
        };
        Ok(Self {
            changes: halves.into_iter().map(change).collect::<Result<_>>()?,
        })
    }

    /// Returns how the model's tensor `name` is changed, `None` if it is not.
    pub fn change(&self, name: &str) -> Option<&Change> {
        self.changes.get(name)
    }

    /// Returns the number of tensors that are changed.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns whether no tensor is changed, which is never so of an adapter that was read.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Checks what an adapter's metadata says, and returns its alpha; 0 where there is none.
fn check_kind(metadata: &Metadata, architecture: &str) -> Result<f32> {
    let invalid = |message: String| Err(Error::new(Code::InvalidArgument, message));
    for (key, wanted) in [("general.type", "adapter"), ("adapter.type", "lora")] {
        let found = metadata.opt_str(key)?;
        if found != Some(wanted) {
            let found = found.map_or("missing".to_owned(), quoted);
            return invalid(format!(
                "This is no LoRA adapter: its `{key}` should be `{wanted}` but is {found}. Give a \
                 file that llama.cpp's convert_lora_to_gguf.py made."
            ));
        }
    }
    if metadata.get(INVOCATION_KEY).is_some() {
        return Err(Error::new(
            Code::Architecture,
            format!(
                "The adapter changes only what comes behind certain tokens \
                 (`{INVOCATION_KEY}`), which is not supported. Choose another adapter."
            ),
        ));
    }
    let of_adapter = metadata.str("general.architecture")?;
    if of_adapter != architecture {
        return invalid(format!(
            "The adapter is for a model of the architecture {}, and this one is {}. Choose the \
             model that the adapter was made for.",
            quoted(of_adapter),
            quoted(architecture)
        ));
    }
    Ok(metadata.opt_f32("adapter.lora.alpha")?.unwrap_or(0.0))
}

/// Returns the error for a tensor that is no half of a change, such as a norm that was trained too:
/// the answers would be wrong without it.
fn no_half(name: &str) -> Error {
    Error::new(
        Code::Architecture,
        format!(
            "The adapter has the tensor {}, which is no half of a change by LoRA, and the model \
             would answer wrongly without it. Choose another adapter.",
            quoted(name)
        ),
    )
}

impl Change {
    /// Makes the change of the model's `tensor` by two tensors of the adapter, whose shapes must
    /// fit.
    fn new(tensor: &TensorInfo, a: &TensorInfo, b: &TensorInfo, alpha: f32) -> Result<Self> {
        let (rows, cols) = (tensor.rows(), tensor.cols());
        let is_lookup = tensor.name == TOKEN_EMBEDDINGS;
        let (left, right) = match is_lookup {
            true => (a, b),
            false => (b, a),
        };
        let rank = left.cols();
        let shape = match is_lookup {
            true => [rank, cols],
            false => [cols, rank],
        };
        // A file may leave out a dimension of 1, which a rank can be.
        let is_matrix = tensor.dims.len() == 2 && [a, b].iter().all(|it| it.dims.len() <= 2);
        // A rank above both sides makes nothing that a smaller one does not, and takes more memory
        // than the matrix: the file is damaged.
        let fits =
            left.rows() == rows && [right.cols(), right.rows()] == shape && rank <= rows.max(cols);
        if !is_matrix || !fits {
            return Err(Error::new(
                Code::TensorShape,
                format!(
                    "The adapter's matrices {:?} and {:?} do not change {}, which is {:?}. Choose \
                     the model that the adapter was made for.",
                    a.dims,
                    b.dims,
                    quoted(&tensor.name),
                    tensor.dims
                ),
            ));
        }
        Ok(Self {
            left: left.clone(),
            right: right.clone(),
            is_lookup,
            cols: cols as usize,
            rank: rank as usize,
            factor: match alpha {
                0.0 => 1.0,
                alpha => alpha / rank as f32,
            },
        })
    }

    /// Returns whether the matrix is looked up, and changed only where it is.
    pub fn is_lookup(&self) -> bool {
        self.is_lookup
    }

    /// Reads the change at `scale`. `read` returns the bytes of one of the adapter's tensors.
    ///
    /// # Errors
    /// `tensor_not_finite`, and those of `read`.
    ///
    /// # Panics
    /// Panics if `read` returns more or fewer bytes than the tensor has.
    pub fn read(
        &self,
        scale: f32,
        mut read: impl FnMut(&TensorInfo) -> Result<Vec<u8>>,
    ) -> Result<Delta> {
        let mut values = |tensor: &TensorInfo| {
            let bytes = read(tensor)?;
            if !tensor.dtype.scales_are_finite(&bytes) {
                return Err(Error::new(
                    Code::TensorNotFinite,
                    format!(
                        "The adapter's tensor {} holds a number that is not finite. The file is \
                         broken: download it again.",
                        quoted(&tensor.name)
                    ),
                ));
            }
            let mut values = vec![0.0; tensor.elements() as usize];
            tensor.dtype.dequantize(&bytes, &mut values);
            Ok(values)
        };
        let (mut left, mut right) = (values(&self.left)?, values(&self.right)?);
        let factor = scale * self.factor;
        left.iter_mut().for_each(|x| *x *= factor);
        if self.is_lookup {
            let column = |k| right.iter().skip(k).step_by(self.rank).copied();
            right = (0..self.rank).flat_map(column).collect();
        }
        Ok(Delta {
            cols: self.cols,
            rank: self.rank,
            left,
            right,
        })
    }
}

impl Delta {
    /// Adds the change to `weights`, which are those of the matrix from number `first` on, row
    /// after row.
    pub fn add_to(&self, first: usize, weights: &mut [f32]) {
        let (mut at, mut rest) = (first, weights);
        let mut sums = vec![0.0; self.cols];
        while !rest.is_empty() {
            let (row, col) = (at / self.cols, at % self.cols);
            let (part, later) = rest.split_at_mut(rest.len().min(self.cols - col));
            let sums = &mut sums[..part.len()];
            sums.fill(0.0);
            let factors = &self.left[row * self.rank..][..self.rank];
            for (factor, of_right) in factors.iter().zip(self.right.chunks_exact(self.cols)) {
                for (sum, x) in sums.iter_mut().zip(&of_right[col..]) {
                    *sum += factor * x;
                }
            }
            for (weight, sum) in part.iter_mut().zip(sums) {
                *weight += *sum;
            }
            at += part.len();
            rest = later;
        }
    }
}
