//! A weight has a shape, wherever its bytes live.

use crate::quant::DType;

/// Holds a matrix `[rows, cols]` as a backend keeps it; a vector has one row. The product `y = W x`
/// takes `cols` inputs to `rows` outputs.
#[derive(Debug)]
pub struct Weight<Buf> {
    /// Holds the data type in the file; `buf` may be laid out otherwise.
    pub dtype: DType,
    /// Counts the rows.
    pub rows: usize,
    /// Counts the columns.
    pub cols: usize,
    /// Multiplies every product. It is 1 but where a file of NVFP4 has a factor beside a tensor.
    pub factor: f32,
    /// Holds the values, wherever and however the backend keeps them.
    pub buf: Buf,
    /// Holds what adapters change of the matrix.
    pub changes: Vec<LowRank<Buf>>,
}

/// Holds what a LoRA adapter adds to a matrix: `left right`, times the scale of the adapter.
#[derive(Debug)]
pub struct LowRank<Buf> {
    /// Holds the number of the adapter.
    pub adapter: usize,
    /// Holds `[rows, rank]`.
    pub left: Weight<Buf>,
    /// Holds `[rank, cols]`.
    pub right: Weight<Buf>,
    /// Tells whether the matrix changes only where a row of it is looked up.
    pub is_lookup: bool,
}

impl<Buf> Weight<Buf> {
    /// Makes a weight that no adapter changes.
    pub fn new(dtype: DType, rows: usize, cols: usize, buf: Buf) -> Self {
        Self {
            dtype,
            rows,
            cols,
            factor: 1.0,
            buf,
            changes: Vec::new(),
        }
    }
}

/// Returns the relative root mean square error: the root mean square of the difference, divided by
/// that of what is expected.
///
/// ```
/// assert_eq!(siskin::tensor::difference(&[3.0, 4.5], &[3.0, 4.0]), 0.1);
/// ```
pub fn difference(found: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let differing: f64 = found
        .iter()
        .zip(expected)
        .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
        .sum();
    let all: f64 = expected.iter().map(|&x| square(f64::from(x))).sum();
    (differing / all).sqrt()
}
