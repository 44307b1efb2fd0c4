//! Shapes and weights, wherever their bytes live.

use crate::quant::DType;

/// A matrix `[rows, cols]` as a backend keeps it; a vector has one row.
/// `y = W x` takes `cols` inputs to `rows` outputs. `dtype` is the type in the file; `buf` may be laid out otherwise.
#[derive(Debug)]
pub struct Weight<Buf> {
    pub dtype: DType,
    pub rows: usize,
    pub cols: usize,
    pub buf: Buf,
}
